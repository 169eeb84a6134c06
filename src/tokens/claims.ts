import { z } from "zod";

import { type Caller, MAY_ALL } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";

const LEEWAY_SECONDS = 30;
const REQUEST_HASH = /^[A-Za-z0-9_-]{43}$/;

/** NumericDate may have a fraction (RFC 7519 section 2); what JSON turns into Infinity is no number here. */
const Claims = z.object({
  iss: z.string().min(1),
  exp: z.number(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
  jti: z.string().min(1).max(255).optional(),
  req: z.string().regex(REQUEST_HASH, "not a SHA-256 in base64url without padding").optional(),
});

export type ClaimRules = {
  /** Who may sign; undefined allows any name, an empty list nobody. */
  issuers?: readonly string[] | undefined;
  /** The furthest `exp` may lie ahead. */
  maxLifetimeSeconds: number;
  /** Whether a POST needs `jti` and `req`; undefined: no. */
  strict?: boolean | undefined;
};

/**
 * Judges the claims of a token whose signature is good. `exp` has no leeway, `nbf` and `iat` have 30 s for clocks that
 * differ; `jti` and `req` say what else the token is bound to; other claims are ignored. Throws `unauthorized` with the exact cause.
 */
export function checkClaims(claims: Record<string, unknown>, rules: ClaimRules, nowMs: number): Caller {
  const parsed = Claims.safeParse(claims);
  if (!parsed.success) {
    throw refused(
      parsed.error.issues.map(({ path, message }) => `claim ${path.join(".")}: ${message}`).join("; "),
    );
  }
  const { iss, exp, nbf, iat, jti, req } = parsed.data;
  const now = nowMs / 1000;
  if (rules.issuers !== undefined && !rules.issuers.includes(iss)) {
    throw refused(`issuer ${JSON.stringify(iss)} is not one of those allowed`);
  }
  if (exp <= now) throw refused(`expired: exp is ${exp}, now is ${now}`);
  if (exp - now > rules.maxLifetimeSeconds) {
    throw refused(`exp is ${exp}, more than ${rules.maxLifetimeSeconds} s after now, ${now}`);
  }
  if (nbf !== undefined && nbf > now + LEEWAY_SECONDS)
    throw refused(`not valid yet: nbf is ${nbf}, now is ${now}`);
  if (iat !== undefined && iat > now + LEEWAY_SECONDS)
    throw refused(`issued ahead: iat is ${iat}, now is ${now}`);
  const isStrict = rules.strict === true;
  const needs = { id: isStrict, request: isStrict };
  const token = { id: jti, request: req, needs, expiresAt: exp * 1000 };
  return { issuer: iss, may: MAY_ALL, repository: undefined, token };
}

function refused(message: string): DeployerError {
  return new DeployerError("unauthorized", message);
}
