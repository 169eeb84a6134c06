import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Store } from "./store.ts";

/** How long a key is remembered. */
const KEY_LIFE_MS = 24 * 60 * 60 * 1000;

/** What a caller sent so that it may send the request again without starting anything a second time. */
export type RepeatKey = {
  /** `Idempotency-Key`, as it came. */
  key: string;
  /** What must be the same for a repetition: method, path and a hash of the body. */
  request: string;
};

/** A key as it is remembered, together with the deployment that it stands for. */
export type SpentKey = RepeatKey & {
  issuer: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
};

/**
 * The deployment that the first request with this key was accepted as; undefined when this is the first. Issuers do not
 * share keys, and a request that was refused has spent none.
 * Errors: `conflict` when the key was used for another request.
 */
export function repeated(
  key: RepeatKey | undefined,
  issuer: string,
  store: Store,
  now: number,
): Deployment | undefined {
  if (key === undefined) return undefined;
  const first = store.spentKey(issuer, key.key, now);
  if (first === undefined) return undefined;
  if (first.request === key.request) return store.find(first.deployment);
  throw new DeployerError(
    "conflict",
    `this Idempotency-Key was used for another request, deployment ${first.deployment}; every request needs a key of its own`,
  );
}

export function spend(key: RepeatKey, issuer: string, now: number): SpentKey {
  return { ...key, issuer, expiresAt: now + KEY_LIFE_MS };
}
