import { requestGithubToken } from "./github-token.ts";
import type { PrivateKey } from "./keys.ts";
import { requestHash } from "./request-hash.ts";
import { signRequestToken } from "./sign.ts";

type Line = { method: string; target: string; body?: string | undefined };

/** Makes a token that is good for one request, and bound to it. */
export type Authoriser = (request: Line) => Promise<string>;

/** @param now milliseconds since the epoch */
export function signedBy(
  key: PrivateKey,
  { issuer, now }: { issuer: string; now: () => number },
): Authoriser {
  return async (line) => await signRequestToken(key, { issuer, request: hashOf(line), now: now() });
}

/** Errors of what it makes: `GithubTokenError`. */
export function signedByGithub(
  audience: string,
  env: Readonly<Record<string, string | undefined>>,
): Authoriser {
  return async (line) => await requestGithubToken({ audience, request: hashOf(line) }, { env });
}

function hashOf({ method, target, body = "" }: Line): string {
  return requestHash(method, target, body);
}
