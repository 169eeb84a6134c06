/** A request that was refused for want of a good token, or of a right, as it is kept for people: free of secrets, each text bounded. */
export type Rejection = {
  /** Milliseconds since the epoch. */
  at: number;
  /** Address of who sent it. */
  remote: string;
  method: string;
  /** Without the query. */
  path: string;
  code: "unauthorized" | "forbidden";
  cause: string;
  /** Whether the token itself was good, so that the claims are its issuer's words; else nobody vouches for them. */
  verified: boolean;
  /** What the token showed; undefined when there is none that can be read. */
  claims: Readonly<Record<string, unknown>> | undefined;
  /** So many more, after the one that is kept before it, were only counted. */
  unlisted: number;
};

/** So many are kept, the last ones. */
export const KEPT_REJECTIONS = 1_000;
