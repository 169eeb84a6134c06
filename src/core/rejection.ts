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

/** The last so many are kept, whatever they were. */
const KEPT_ANY = 800;
/** The last so many of good tokens are kept besides: no flood of bad ones hides whose rights are being tried out. */
export const KEPT_VERIFIED = 200;
/** At most so many are kept. */
export const KEPT_REJECTIONS = KEPT_ANY + KEPT_VERIFIED;
