import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

/** 3072 bits would double what a refused token costs the daemon; 2048 outlive any token by far. */
const RSA_BITS = 2048;

export const KEY_TYPES = ["rsa", "ec", "ed25519"] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export type KeyPairFiles = {
  privateFile: string;
  publicFile: string;
  /** The private file's content in base64 on one line, as `DEPLOY_SIGNING_KEY_B64` holds it. */
  signingKey: Secret;
};

/**
 * Writes `private.pem` (PKCS#8, mode 0600) and `public.pem` (SPKI) into a directory, which is made if it is missing.
 * Both or neither: an existing file is never overwritten and throws `conflict`.
 */
export function writeKeyPair(type: KeyType, directory: string): KeyPairFiles {
  const privateFile = join(directory, "private.pem");
  const publicFile = join(directory, "public.pem");
  for (const file of [privateFile, publicFile]) {
    if (existsSync(file))
      throw new DeployerError("conflict", `${file} is already there and is not overwritten`);
  }
  const pair = generate(type);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(privateFile, pair.privateKey, { flag: "wx", mode: 0o600 });
  try {
    writeFileSync(publicFile, pair.publicKey, { flag: "wx", mode: 0o644 });
  } catch (error) {
    rmSync(privateFile);
    throw error;
  }
  return { privateFile, publicFile, signingKey: new Secret(Buffer.from(pair.privateKey).toString("base64")) };
}

function generate(type: KeyType): { privateKey: string; publicKey: string } {
  const publicKeyEncoding = { type: "spki", format: "pem" } as const;
  const privateKeyEncoding = { type: "pkcs8", format: "pem" } as const;
  switch (type) {
    case "rsa":
      return generateKeyPairSync("rsa", { modulusLength: RSA_BITS, publicKeyEncoding, privateKeyEncoding });
    case "ec":
      return generateKeyPairSync("ec", { namedCurve: "P-256", publicKeyEncoding, privateKeyEncoding });
    case "ed25519":
      return generateKeyPairSync("ed25519", { publicKeyEncoding, privateKeyEncoding });
    default:
      return type satisfies never;
  }
}
