import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Store } from "./store.ts";

/** How long a key is remembered at least. */
const KEY_LIFE_MS = 24 * 60 * 60 * 1000;
/** So much longer than its token is good: the clock of this host may be set back. */
const SKEW_MS = 60 * 1000;

/** What a request came with so that, sent again, it starts nothing a second time. */
export type RepeatKey = {
  kind: KeyKind;
  /** Whose it is; others may have the same. A token is nobody's: rules may call its issuer otherwise tomorrow. */
  owner: string;
  /** As it came. */
  key: string;
  /** What must be the same for a repetition: method, path and a hash of the body. */
  request: string;
  /** Milliseconds since the epoch: it is remembered until then, and for a day at least. */
  goodUntil: number;
};

/** `token`: its `jti`; `header`: `Idempotency-Key`. A key of one kind is none of the other. */
export type KeyKind = "token" | "header";

/** A key as it is remembered, together with the deployment that it stands for. */
export type SpentKey = Omit<RepeatKey, "goodUntil"> & {
  /** Milliseconds since the epoch. */
  expiresAt: number;
};

/** The deployment that a request was before, and those of its keys that are new. */
export type Repetition = { deployment: Deployment; unspent: readonly RepeatKey[] };

/**
 * The deployment that the first request with one of these keys was accepted as, the first key first; undefined when all of
 * them are new. A request that was refused has spent none. What comes after the key that
 * decides is left alone: whoever sends a captured token with a key of his own choice spends nobody's key.
 * Errors: `conflict` when the key was used for another request, or for a deployment that is forgotten.
 */
export function repeated(keys: readonly RepeatKey[], store: Store, now: number): Repetition | undefined {
  for (const [position, key] of keys.entries()) {
    const first = store.spentKey(key, now);
    if (first === undefined) continue;
    if (first.request !== key.request) throw used(key, `another request, deployment ${first.deployment}`);
    const deployment = store.find(first.deployment);
    if (deployment === undefined)
      throw used(key, `deployment ${first.deployment}, which is no longer recorded`);
    return { deployment, unspent: keys.slice(0, position) };
  }
  return undefined;
}

export function spend({ goodUntil, ...key }: RepeatKey, now: number): SpentKey {
  return { ...key, expiresAt: Math.ceil(Math.max(goodUntil + SKEW_MS, now + KEY_LIFE_MS)) };
}

function used({ kind }: RepeatKey, what: string): DeployerError {
  const [name, own] = kind === "token" ? ["token", "token"] : ["Idempotency-Key", "key"];
  return new DeployerError(
    "conflict",
    `this ${name} was used for ${what}; every request needs a ${own} of its own`,
  );
}
