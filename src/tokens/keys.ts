import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

import { DeployerError } from "../core/errors.ts";

const MIN_RSA_BITS = 2048;
const ACCEPTED = `RSA of ${MIN_RSA_BITS} bits or more, EC P-256 or Ed25519 is needed`;
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g;
const PUBLIC_LABELS = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];
const PRIVATE_LABELS = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];

/** The one JWS algorithm a key is used with (RFC 7518 section 3.1, RFC 8037 section 3.1). */
export type Algorithm = "RS256" | "ES256" | "EdDSA";

export type PublicKey = {
  algorithm: Algorithm;
  key: KeyObject;
  /** SHA-256 of the SPKI DER in hexadecimal: names the key in the log. */
  fingerprint: string;
};

export type PrivateKey = { algorithm: Algorithm; key: KeyObject };

/**
 * The first public key of a PEM text: SPKI, PKCS#1 or an X.509 certificate, whose dates and issuer are not judged.
 * Throws `config` when there is none, when it is of a kind or size not accepted, or when the text holds a private key.
 */
export function readPublicKey(text: string): PublicKey {
  const blocks = pemBlocks(text);
  if (blocks.some(({ label }) => label.endsWith("PRIVATE KEY"))) {
    throw refused("it holds a private key; give the public one (openssl pkey -in FILE -pubout)");
  }
  return publicKeyOf(parse(firstOf(blocks, PUBLIC_LABELS), createPublicKey));
}

/** Throws `config` when the key is of a kind or size not accepted. */
export function publicKeyOf(key: KeyObject): PublicKey {
  return { algorithm: algorithmOf(key), key, fingerprint: fingerprint(key) };
}

/** The first private key of a PEM text: PKCS#8, PKCS#1 or SEC 1, unencrypted. Throws `config` otherwise. */
export function readPrivateKey(text: string): PrivateKey {
  const blocks = pemBlocks(text);
  if (
    blocks.some(
      ({ label, pem }) => label === "ENCRYPTED PRIVATE KEY" || pem.includes("Proc-Type: 4,ENCRYPTED"),
    )
  ) {
    throw refused("the key is encrypted with a passphrase, which is not supported");
  }
  const key = parse(firstOf(blocks, PRIVATE_LABELS), createPrivateKey);
  return { algorithm: algorithmOf(key), key };
}

type PemBlock = { label: string; pem: string };

function pemBlocks(text: string): PemBlock[] {
  return [...text.matchAll(PEM_BLOCK)].map(([pem, label = ""]) => ({ label, pem }));
}

function firstOf(blocks: PemBlock[], labels: string[]): PemBlock {
  const block = blocks.find(({ label }) => labels.includes(label));
  if (block !== undefined) return block;
  if (blocks[0] !== undefined) {
    throw refused(
      `a "${blocks[0].label}" block was found where ${labels.map((label) => `"${label}"`).join(", ")} is needed`,
    );
  }
  throw refused("invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key");
}

function parse({ label, pem }: PemBlock, create: (pem: string) => KeyObject): KeyObject {
  try {
    return create(pem);
  } catch (cause) {
    throw refused(`its "${label}" block cannot be read; ${ACCEPTED}`, { cause });
  }
}

function algorithmOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): Algorithm {
  const bits = details?.modulusLength ?? 0;
  if (type === "rsa" && bits >= MIN_RSA_BITS) return "RS256";
  if (type === "ec" && details?.namedCurve === "prime256v1") return "ES256";
  if (type === "ed25519") return "EdDSA";
  if (type === "rsa") throw refused(`an RSA key of ${bits} bits is too short; ${ACCEPTED}`);
  if (type === "ec") throw refused(`an EC key on ${details?.namedCurve} is not accepted; ${ACCEPTED}`);
  throw refused(`a key of type ${type} is not accepted; ${ACCEPTED}`);
}

function fingerprint(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");
}

function refused(message: string, options?: ErrorOptions): DeployerError {
  return new DeployerError("config", message, options);
}
