import type { Listener } from "../client/follow.ts";

/** Tells a person on stderr what comes of a deployment. */
export type Teller = Required<Listener> & {
  /** What is to be said beside the story. */
  say: (text: string) => void;
  /** Nothing is redrawn afterwards. */
  end: () => void;
};
