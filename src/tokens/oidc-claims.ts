import { z } from "zod";

import type { TokenUse } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { OidcIssuer } from "../core/rules.ts";

/** For clocks that differ. Of `exp` and of the age nothing is given away. */
const LEEWAY_SECONDS = 60;
/** Whatever `exp` says: some tokens of GitHub's live six hours. */
const MAX_AGE_SECONDS = 600;
const BINDING = /^#sha256=([A-Za-z0-9_-]{43})$/;
const LONGEST_SHOWN = 200;

/** All required (OpenID Connect Core section 2, RFC 7519 section 4.1). */
const Claims = z.looseObject({
  aud: z.union([z.string(), z.tuple([z.string()])]),
  exp: z.number(),
  nbf: z.number(),
  iat: z.number(),
  jti: z.string().min(1).max(255),
});

type Expectation = Pick<OidcIssuer, "audience" | "isBound">;

/**
 * Judges the claims of an identity token whose issuer and signature are good, and says what it may be used for. The audience is exactly
 * ours, or ours with `#sha256=<request hash>`: whoever asks the issuer for a token chooses the audience, so that a workflow
 * can have one for a single request. Errors: `unauthorized` with the exact cause.
 */
export function checkOidcClaims(
  claims: Readonly<Record<string, unknown>>,
  { audience, isBound }: Expectation,
  nowMs: number,
): TokenUse {
  const parsed = Claims.safeParse(claims);
  if (!parsed.success) {
    const causes = parsed.error.issues.map(({ path, message }) => `claim ${path.join(".")}: ${message}`);
    throw refused(causes.join("; "));
  }
  const { aud, exp, nbf, iat, jti } = parsed.data;
  const now = nowMs / 1000;
  if (exp <= iat) throw refused(`exp is ${exp}, not after iat, ${iat}`);
  if (exp <= now) throw refused(`expired: exp is ${exp}, now is ${now}`);
  if (nbf > now + LEEWAY_SECONDS) throw refused(`not valid yet: nbf is ${nbf}, now is ${now}`);
  if (iat > now + LEEWAY_SECONDS) throw refused(`issued ahead: iat is ${iat}, now is ${now}`);
  if (iat <= now - MAX_AGE_SECONDS) throw refused(`too old: iat is ${iat}, now is ${now}`);
  return {
    id: jti,
    request: boundRequest(typeof aud === "string" ? aud : aud[0], audience),
    needs: { id: true, request: isBound },
    expiresAt: Math.min(exp, iat + MAX_AGE_SECONDS) * 1000,
  };
}

function boundRequest(given: string, audience: string): string | undefined {
  if (given === audience) return undefined;
  const [, hash] = given.startsWith(audience) ? (BINDING.exec(given.slice(audience.length)) ?? []) : [];
  if (hash === undefined) throw refused(`audience is ${shown(given)}, not ${audience}`);
  return hash;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST_SHOWN));
}

function refused(message: string): DeployerError {
  return new DeployerError("unauthorized", message);
}
