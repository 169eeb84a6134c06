/** Begins what is said of something that could not be looked at, because what it rests on has failed. */
export const NOT_LOOKED_AT = "not looked at: ";

/** How one thing the daemon needs is looked for. */
export type Check = {
  name: string;
  /** Resolves to what was found. */
  look: () => Promise<string> | string;
  /** What to do when it fails. */
  remedy: string;
};
