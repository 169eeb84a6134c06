import { afterAll, beforeAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createTestCa, type TestCa } from "../../test/support/test-ca.ts";
import { judgeCertificate, readPair } from "./certificate.ts";

const NAME = "deploy.example.com";
const DAY_MS = 86_400_000;

const folder = mkdtempSync(join(tmpdir(), "certificate-test-"));
const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
let ca: TestCa;
let good: { certificate: string; key: string };
let other: typeof good;
beforeAll(async () => {
  ca = await createTestCa();
  [good, other] = [await ca.issue(NAME), await ca.issue(NAME)];
});
afterAll(() => {
  ca[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function judged(cert: string, key: string, now = Date.now()) {
  writeFileSync(files.certFile, cert);
  writeFileSync(files.keyFile, key, { mode: 0o600 });
  return judgeCertificate(readPair(files), files, now);
}

function complaint(action: () => unknown): { code: string; message: string } {
  try {
    action();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error("it was accepted");
}

test("a certificate with its key is taken, with those of its issuers after it", () => {
  const whole = judged(good.certificate + ca.certificate, good.key);
  expect(whole).toMatchObject({ names: `DNS:${NAME}`, warnings: [] });
  expect(Date.parse(whole.notAfter)).toBeGreaterThan(Date.now() + 29 * DAY_MS);
});

test("dates that callers complain of are warned of", () => {
  expect(judged(good.certificate, good.key, Date.now() + 31 * DAY_MS).warnings).toEqual([
    expect.stringMatching(/cert\.pem has expired on 20/),
  ]);
  expect(judged(good.certificate, good.key, Date.now() - DAY_MS).warnings).toEqual([
    expect.stringMatching(/cert\.pem is not valid before 20/),
  ]);
});

test("a key that everybody may read is warned of", () => {
  judged(good.certificate, good.key);
  chmodSync(files.keyFile, 0o644);
  expect(judgeCertificate(readPair(files), files, Date.now()).warnings).toEqual([
    `${files.keyFile} may be read by everybody on this host (chmod 640)`,
  ]);
});

function encrypted(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
}

test.each<[name: string, pair: () => [string, string], complaint: RegExp]>([
  [
    "another key",
    () => [good.certificate, other.key],
    /^TLS_KEY_FILE: .*key\.pem is not the key of the cert/,
  ],
  [
    "the certificates in the wrong order",
    () => [ca.certificate + good.certificate, good.key],
    /^TLS_CERT_FILE: .* must come first/,
  ],
  ["an encrypted key", () => [good.certificate, encrypted()], /^TLS_KEY_FILE: .*passphrase/],
  ["the files the wrong way round", () => [good.key, good.certificate], /^TLS_CERT_FILE: .*no certificate/],
  ["a certificate for a key", () => [good.certificate, good.certificate], /^TLS_KEY_FILE: .*no private key/],
  ["an empty file", () => ["", good.key], /^TLS_CERT_FILE: .*no certificate/],
  [
    "half a certificate",
    () => [good.certificate.replace(/\n.{20}/, "\n"), good.key],
    /^TLS_CERT_FILE: .*cannot be read/,
  ],
  [
    "half a key",
    () => [good.certificate, good.key.replace(/\n.{20}/, "\n")],
    /^TLS_KEY_FILE: .*cannot be read/,
  ],
])("%s is refused with the variable and the file", (_, pair, message) => {
  const error = complaint(() => judged(...pair()));
  expect(error).toMatchObject({ code: "config", message: expect.stringMatching(message) });
  const secret = good.key.split("\n")[1] ?? "";
  expect(Bun.inspect(error)).not.toContain(secret.slice(0, 16));
});

test("what is not there, no file, or far too large is refused", () => {
  const none = { ...files, keyFile: join(folder, "none.pem") };
  expect(complaint(() => readPair(none)).message).toBe(`TLS_KEY_FILE: ${none.keyFile} is not there`);
  mkdirSync(join(folder, "dir"));
  expect(complaint(() => readPair({ ...files, certFile: join(folder, "dir") })).message).toMatch(
    /regular file/,
  );
  expect(complaint(() => judged("x".repeat(300_000), good.key)).message).toMatch(/too large/);
});
