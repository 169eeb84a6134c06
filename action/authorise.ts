import { DeployerError } from "../src/core/errors.ts";
import { type Authoriser, signedBy, signedByGithub } from "../src/tokens/authoriser.ts";
import { readPrivateKey } from "../src/tokens/keys.ts";
import type { Inputs } from "./inputs.ts";

/**
 * A token for one request, bound to it: signed with the key, or asked of GitHub where there is none.
 * Errors: `config` for a key that cannot be used, `GithubTokenError`.
 */
export function authoriser(
  { key, issuer, audience }: Pick<Inputs, "key" | "issuer" | "audience">,
  env: Readonly<Record<string, string | undefined>>,
): Authoriser {
  if (key === undefined) return signedByGithub(audience, env);
  return signedBy(readKey(key), { issuer, now: Date.now });
}

function readKey(pem: string): ReturnType<typeof readPrivateKey> {
  try {
    return readPrivateKey(pem);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "not understood";
    throw new DeployerError("config", `input key: ${why}`, { cause });
  }
}
