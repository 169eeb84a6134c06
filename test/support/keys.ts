import { generateKeyPairSync } from "node:crypto";

import { importPKCS8, SignJWT } from "jose";

export type KeyPair = {
  /** PKCS#8 PEM. */
  privatePem: string;
  /** SPKI PEM. */
  publicPem: string;
};

/** Claims over those of the original's `jwt` tool; `undefined` leaves one out. */
export type Claims = Record<string, unknown>;

const RSA_BITS = 2048;
const ISSUER = "github-actions";
const LIFE_SECONDS = 300;

let shared: KeyPair | undefined;

/** The key pair of this test process: making one takes a tenth of a second. */
export function sharedKeys(): KeyPair {
  shared ??= newKeys();
  return shared;
}

export function newKeys(): KeyPair {
  const pair = generateKeyPairSync("rsa", {
    modulusLength: RSA_BITS,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { privatePem: pair.privateKey, publicPem: pair.publicKey };
}

/** A token as the original's `jwt sign` makes it: RS256, `iss` github-actions, `exp` in five minutes. */
export async function signToken(keys: KeyPair, claims: Claims = {}): Promise<string> {
  const payload = { iss: ISSUER, exp: Math.floor(Date.now() / 1000) + LIFE_SECONDS, ...claims };
  return new SignJWT(payload)
    .setProtectedHeader({ alg: "RS256", typ: "JWT" })
    .sign(await importPKCS8(keys.privatePem, "RS256"));
}
