import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../../test/fakes/log.ts";
import { createTestCa, type TestCa } from "../../test/support/test-ca.ts";
import { openCertificateStore } from "./certificate-store.ts";

const folder = mkdtempSync(join(tmpdir(), "certificate-store-test-"));
const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
let ca: TestCa;
const issued: { certificate: string; key: string }[] = [];
beforeAll(async () => {
  ca = await createTestCa();
  for (let n = 0; n < 2; n += 1) issued.push(await ca.issue("deploy.example.com"));
});
afterAll(() => {
  ca[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function put(certificateOf: number, keyOf: number): void {
  writeFileSync(files.certFile, issued[certificateOf]?.certificate ?? "");
  writeFileSync(files.keyFile, issued[keyOf]?.key ?? "", { mode: 0o600 });
}

function scene() {
  put(0, 0);
  const log = fakeLog();
  const store = openCertificateStore({ ...files, log });
  const used: string[] = [];
  const renew = () => store.renew(({ cert }) => used.push(cert));
  const errors = () => log.lines.filter(({ level }) => level === "error").length;
  return { store, used, renew, errors };
}

test("a renewed certificate is put to use, once", () => {
  const { store, used, renew, errors } = scene();
  renew();
  expect(used).toEqual([]);
  put(1, 1);
  renew();
  renew();
  expect(used).toEqual([issued[1]?.certificate ?? ""]);
  expect(store.current().key).toBe(issued[1]?.key ?? "");
  expect(errors()).toBe(0);
});

test("between the renewal of one file and of the other nothing is said", () => {
  const { used, renew, errors } = scene();
  put(1, 0);
  renew();
  put(1, 1);
  renew();
  expect(used).toHaveLength(1);
  expect(errors()).toBe(0);
});

test("what stays unusable keeps the old one in use, and is told once", () => {
  const { store, used, renew, errors } = scene();
  put(1, 0);
  for (let n = 0; n < 5; n += 1) renew();
  expect([used, errors()]).toEqual([[], 1]);
  expect(store.current().cert).toBe(issued[0]?.certificate ?? "");
  rmSync(files.keyFile);
  for (let n = 0; n < 5; n += 1) renew();
  expect(errors()).toBe(2);
  put(0, 0);
  renew();
  put(1, 0);
  for (let n = 0; n < 5; n += 1) renew();
  expect(errors()).toBe(3);
});

test("one that the listener does not take is tried again, and the old one stays", () => {
  const { store, renew, errors } = scene();
  put(1, 1);
  for (let n = 0; n < 3; n += 1)
    store.renew(() => {
      throw new Error("no");
    });
  expect(errors()).toBe(1);
  expect(store.current().cert).toBe(issued[0]?.certificate ?? "");
  renew();
  expect(store.current().cert).toBe(issued[1]?.certificate ?? "");
});

test("without a usable certificate there is no store", () => {
  put(0, 1);
  expect(() => openCertificateStore({ ...files, log: fakeLog() })).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(/^TLS_KEY_FILE/) }),
  );
});
