import type { Caller } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import { checkClaims, type ClaimRules } from "./claims.ts";
import { checkAlgorithm, isSignedBy, parseJws, readClaims } from "./jws.ts";
import type { PublicKey } from "./keys.ts";

/** One hour (JWT_MAX_LIFETIME). */
export const DEFAULT_MAX_LIFETIME_SECONDS = 3600;

export type VerifierOptions = Partial<ClaimRules> & {
  /** The keys accepted now, asked for each token: `KeyStore.keys`. */
  keys: () => readonly PublicKey[];
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * Who sent this token (RFC 7519, in compact form). Whatever is wrong, it throws `unauthorized`, or `forbidden` when nobody
 * lets such a caller do anything: its message is the exact cause, for the log only, and holds no part of the token but an
 * unknown `alg` or `kid` and the claims it judged.
 */
export type Verify = (token: string) => Promise<Caller>;

export function createVerifier(options: VerifierOptions): Verify {
  const { keys, issuers, strict, now = Date.now } = options;
  const { maxLifetimeSeconds = DEFAULT_MAX_LIFETIME_SECONDS } = options;
  return (token) =>
    failClosed(() => {
      const jws = parseJws(token);
      const accepted = keys();
      checkAlgorithm(jws, accepted);
      if (!isSignedBy(jws, accepted)) throw new DeployerError("unauthorized", "token signature is invalid");
      return checkClaims(readClaims(jws), { issuers, maxLifetimeSeconds, strict }, now());
    });
}

/** A fault of ours in the check is no way in. */
export async function failClosed(check: () => Caller | Promise<Caller>): Promise<Caller> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof DeployerError && (error.code === "unauthorized" || error.code === "forbidden"))
      throw error;
    throw new DeployerError("unauthorized", "the token could not be checked", { cause: error });
  }
}
