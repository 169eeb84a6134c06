/** Who signed an accepted token. */
export type Caller = {
  /** The token's `iss`, never empty. */
  issuer: string;
};
