/** How a client waits. */
export type Patience = {
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Ends when `enough` aborts. */
  sleep: (milliseconds: number, enough?: AbortSignal) => Promise<void>;
  /** Told when something has to be waited for, for people. */
  say: (text: string) => void;
  /** Aborts when the caller has waited long enough. */
  enough?: AbortSignal | undefined;
};
