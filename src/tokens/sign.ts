import { randomBytes } from "node:crypto";

import { SignJWT } from "jose";

import type { PrivateKey } from "./keys.ts";

/** As the original's `jwt sign`: as little as a request needs to arrive, also where it is sent again. */
const REQUEST_LIFE_SECONDS = 300;
/** `jti` must not come twice (RFC 7519, 4.1.7), nor be guessed. */
const ID_BYTES = 16;

/** Signs `{"exp","iss"}`, byte for byte as the original's `jwt sign` ordered it; `expiresAt` is in whole seconds since the epoch. */
export async function signToken(
  key: PrivateKey,
  claims: { expiresAt: number; issuer: string },
): Promise<string> {
  return await sign(key, { exp: claims.expiresAt, iss: claims.issuer });
}

/**
 * Signs a token for one request, once, within five minutes.
 * @param claims.request its `requestHash`
 * @param claims.now milliseconds since the epoch
 */
export async function signRequestToken(
  key: PrivateKey,
  claims: { issuer: string; request: string; now: number },
): Promise<string> {
  const issuedAt = Math.floor(claims.now / 1000);
  return await sign(key, {
    iss: claims.issuer,
    iat: issuedAt,
    exp: issuedAt + REQUEST_LIFE_SECONDS,
    jti: randomBytes(ID_BYTES).toString("base64url"),
    req: claims.request,
  });
}

async function sign(key: PrivateKey, claims: Record<string, string | number>): Promise<string> {
  return await new SignJWT(claims).setProtectedHeader({ alg: key.algorithm, typ: "JWT" }).sign(key.key);
}
