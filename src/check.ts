/** How one thing the daemon needs is looked for. */
export type Check = {
  name: string;
  /** Resolves to what was found. */
  look: () => Promise<string> | string;
  /** What to do when it fails. */
  remedy: string;
};
