import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Ports } from "./ports.ts";
import { type RepeatKey, spend } from "./repeat-key.ts";
import type { Store } from "./store.ts";
import { notWritten } from "./unwritten.ts";

/** The deployment that a request was before, and those of its keys that are new. */
type Repetition = { deployment: Deployment; unspent: readonly RepeatKey[] };

/**
 * The deployment that a request was before, if it was sent before. The keys that are new with it are spent for that one too:
 * a token that comes with the `Idempotency-Key` of an earlier request would start something without that key.
 * Errors: `conflict`, see `repeated`; `internal` when that cannot be written down.
 */
export function acceptedBefore(
  keys: readonly RepeatKey[],
  { store, clock }: Pick<Ports, "store" | "clock">,
): Deployment | undefined {
  const now = clock.now();
  const repetition = repeated(keys, store, now);
  if (repetition === undefined) return undefined;
  const { deployment, unspent } = repetition;
  try {
    const spent = unspent.map((key) => spend(key, now));
    if (spent.length > 0) store.spendKeys(spent, deployment.id);
  } catch (cause) {
    throw notWritten("the request was not accepted", cause);
  }
  return deployment;
}

/**
 * The deployment that the first request with one of these keys was accepted as, the first key first; undefined when all of
 * them are new. A request that was refused has spent none. What comes after the key that
 * decides is left alone: whoever sends a captured token with a key of his own choice spends nobody's key.
 * Errors: `conflict` when the key was used for another request, or for a deployment that is forgotten.
 */
function repeated(
  keys: readonly RepeatKey[],
  store: Pick<Store, "find" | "spentKey">,
  now: number,
): Repetition | undefined {
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

function used({ kind }: RepeatKey, what: string): DeployerError {
  const [name, own] = kind === "token" ? ["token", "token"] : ["Idempotency-Key", "key"];
  return new DeployerError(
    "conflict",
    `this ${name} was used for ${what}; every request needs a ${own} of its own`,
  );
}
