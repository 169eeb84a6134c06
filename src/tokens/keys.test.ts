import { generateKeyPairSync } from "node:crypto";

import { expect, test } from "bun:test";

import { readPrivateKey, readPublicKey } from "./keys.ts";
import { certificatePem, newKeyPair, privatePem, publicPem } from "./test-keys.ts";

const rsa = newKeyPair("RS256");
const ec = newKeyPair("ES256");
const ed = newKeyPair("EdDSA");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const x25519 = generateKeyPairSync("x25519");
const spki = { type: "spki", format: "pem" } as const;
const pkcs1 = { type: "pkcs1", format: "pem" } as const;
const pkcs8 = { type: "pkcs8", format: "pem" } as const;
const sec1 = ec.privateKey.export({ type: "sec1", format: "pem" });
const cipher = { cipher: "aes-256-cbc", passphrase: "secret" } as const;

test.each([
  ["an SPKI RSA key", publicPem(rsa), "RS256"],
  ["a PKCS#1 RSA key", rsa.publicKey.export(pkcs1), "RS256"],
  ["an RSA certificate", certificatePem(rsa), "RS256"],
  ["an SPKI P-256 key", publicPem(ec), "ES256"],
  ["a P-256 certificate", certificatePem(ec), "ES256"],
  ["an Ed25519 key", publicPem(ed), "EdDSA"],
  ["an Ed25519 certificate", certificatePem(ed), "EdDSA"],
  ["a key with Windows line ends", publicPem(rsa).replaceAll("\n", "\r\n"), "RS256"],
  ["a key after a byte order mark and a remark", `\uFEFFour key\n${publicPem(rsa)}`, "RS256"],
])("%s is read as a public key", (_, pem, algorithm) => {
  const key = readPublicKey(pem);
  expect(key.algorithm as string).toBe(algorithm);
  expect(key.key.type).toBe("public");
});

test("a key has one fingerprint in all its forms, another key another one", () => {
  const { fingerprint } = readPublicKey(publicPem(rsa));
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(readPublicKey(rsa.publicKey.export(pkcs1)).fingerprint).toBe(fingerprint);
  expect(readPublicKey(certificatePem(rsa)).fingerprint).toBe(fingerprint);
  expect(readPublicKey(publicPem(ec)).fingerprint).not.toBe(fingerprint);
});

test("of a certificate chain only the first certificate's key counts", () => {
  const chain = certificatePem(ec) + certificatePem(rsa);
  expect(readPublicKey(chain).fingerprint).toBe(readPublicKey(publicPem(ec)).fingerprint);
});

test.each([
  ["a PKCS#8 private key", privatePem(rsa), /holds a private key/],
  ["a PKCS#1 private key", rsa.privateKey.export(pkcs1), /holds a private key/],
  ["a SEC 1 private key", sec1, /holds a private key/],
  ["an encrypted private key", rsa.privateKey.export({ ...pkcs8, ...cipher }), /holds a private key/],
  ["a public key with the private one behind it", publicPem(rsa) + privatePem(rsa), /holds a private key/],
  ["an RSA key of 1024 bits", weak.publicKey.export(spki), /1024 bits is too short/],
  ["a P-384 key", p384.publicKey.export(spki), /secp384r1 is not accepted/],
  ["an X25519 key", x25519.publicKey.export(spki), /type x25519 is not accepted/],
  ["an empty file", "", /must be a PEM/i],
  ["a text that is no PEM", "ssh-rsa AAAAB3NzaC1yc2E= me@host", /must be a PEM/i],
  ["a cut PEM", publicPem(rsa).slice(0, 200), /must be a PEM/i],
  [
    "a block of rubbish",
    "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n",
    /cannot be read/,
  ],
  ["a certificate request", block("CERTIFICATE REQUEST"), /"CERTIFICATE REQUEST" block was found/],
])("%s is refused as a public key", (_, pem, message) => {
  expect(() => readPublicKey(pem)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(message) }),
  );
});

test.each([
  ["a PKCS#8 RSA key", privatePem(rsa), "RS256"],
  ["a PKCS#1 RSA key", rsa.privateKey.export(pkcs1), "RS256"],
  ["a PKCS#8 P-256 key", privatePem(ec), "ES256"],
  ["a SEC 1 P-256 key", sec1, "ES256"],
  ["a SEC 1 key after its parameters", block("EC PARAMETERS") + sec1, "ES256"],
  ["a PKCS#8 Ed25519 key", privatePem(ed), "EdDSA"],
])("%s is read as a private key", (_, pem, algorithm) => {
  const key = readPrivateKey(pem);
  expect(key.algorithm as string).toBe(algorithm);
  expect(key.key.type).toBe("private");
});

test.each([
  ["a public key", publicPem(rsa), /"PUBLIC KEY" block was found/],
  ["an RSA key of 1024 bits", weak.privateKey.export(pkcs8), /1024 bits is too short/],
  ["a P-384 key", p384.privateKey.export(pkcs8), /secp384r1 is not accepted/],
  ["an encrypted PKCS#8 key", rsa.privateKey.export({ ...pkcs8, ...cipher }), /encrypted with a passphrase/],
  [
    "an encrypted PKCS#1 key",
    block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\n"),
    /encrypted with a passphrase/,
  ],
  ["a text that is no PEM", "hi", /must be a PEM/i],
])("%s is refused as a private key", (_, pem, message) => {
  expect(() => readPrivateKey(pem)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(message) }),
  );
});

function block(label: string, headers = ""): string {
  return `-----BEGIN ${label}-----\n${headers}BggqhkjOPQMBBw==\n-----END ${label}-----\n`;
}
