import { SignJWT } from "jose";

import type { PrivateKey } from "./keys.ts";

/** Signs `{"exp","iss"}`, byte for byte as the original's `jwt sign` ordered it; `expiresAt` is in whole seconds since the epoch. */
export async function signToken(
  key: PrivateKey,
  claims: { expiresAt: number; issuer: string },
): Promise<string> {
  return await new SignJWT({ exp: claims.expiresAt, iss: claims.issuer })
    .setProtectedHeader({ alg: key.algorithm, typ: "JWT" })
    .sign(key.key);
}
