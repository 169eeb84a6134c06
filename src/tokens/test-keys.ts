import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

import type { Algorithm } from "./keys.ts";

export type KeyPair = { algorithm: Algorithm; privateKey: KeyObject; publicKey: KeyObject };

/** A new key pair for tests; RSA takes about 0.1 s. */
export function newKeyPair(algorithm: Algorithm): KeyPair {
  switch (algorithm) {
    case "RS256":
      return { algorithm, ...generateKeyPairSync("rsa", { modulusLength: 2048 }) };
    case "ES256":
      return { algorithm, ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
    case "EdDSA":
      return { algorithm, ...generateKeyPairSync("ed25519") };
    default:
      return algorithm satisfies never;
  }
}

export function publicPem({ publicKey }: KeyPair): string {
  return publicKey.export({ type: "spki", format: "pem" });
}

export function privatePem({ privateKey }: KeyPair): string {
  return privateKey.export({ type: "pkcs8", format: "pem" });
}

/** A token of any header and claims, text and bytes taken as they are, with a signature that is good under `alg` for this key. */
export function forge(
  pair: KeyPair,
  header: object | string,
  claims: object | string,
  hash = "sha256",
): string {
  const input = `${segment(header)}.${segment(claims)}`;
  return `${input}.${signatureOf(pair, input, hash).toString("base64url")}`;
}

export function segment(value: object | string): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64url");
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

/** A self-signed X.509 certificate of the key (RFC 5280 section 4.1), valid in 2020 only. */
export function certificatePem(pair: KeyPair): string {
  const name = der(0x30, der(0x31, der(0x30, oid("550403"), der(0x0c, Buffer.from("test")))));
  const validity = der(
    0x30,
    der(0x17, Buffer.from("200101000000Z")),
    der(0x17, Buffer.from("201231000000Z")),
  );
  const signatureAlgorithm = der(0x30, oid(SIGNATURE_OIDS[pair.algorithm]));
  const spki = pair.publicKey.export({ type: "spki", format: "der" });
  const body = der(0x30, der(0x02, Buffer.of(1)), signatureAlgorithm, name, validity, name, spki);
  const signature = sign(pair.algorithm === "EdDSA" ? null : "sha256", body, pair.privateKey);
  const whole = der(0x30, body, signatureAlgorithm, der(0x03, Buffer.of(0), signature));
  return `-----BEGIN CERTIFICATE-----\n${whole.toString("base64")}\n-----END CERTIFICATE-----\n`;
}

const SIGNATURE_OIDS: Record<Algorithm, string> = {
  RS256: "2a864886f70d01010b",
  ES256: "2a8648ce3d040302",
  EdDSA: "2b6570",
};

function signatureOf({ algorithm, privateKey: key }: KeyPair, input: string, hash: string): Buffer {
  const data = Buffer.from(input);
  if (algorithm === "EdDSA") return sign(null, data, key);
  return sign(hash, data, algorithm === "ES256" ? { key, dsaEncoding: "ieee-p1363" } : key);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag, ...derLength(body.length)), body]);
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}
