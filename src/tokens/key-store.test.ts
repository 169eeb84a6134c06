import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { type KeyStore, openKeyStore } from "./key-store.ts";
import { readPublicKey } from "./keys.ts";
import { certificatePem, newKeyPair, privatePem, publicPem } from "./test-keys.ts";

const a = newKeyPair("EdDSA");
const b = newKeyPair("EdDSA");
const ec = newKeyPair("ES256");

let directory: string;
let now: number;
let errors: unknown[];
let infos: unknown[];
/** The messages of the errors. */
let said: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keys-"));
  now = 1_000_000;
  errors = [];
  infos = [];
  said = [];
});

afterEach(() => rmSync(directory, { recursive: true }));

test("a file gives its key, and the log says which", () => {
  const file = put("deployer.pub", publicPem(ec));
  const store = open(file);
  expect(names(store)).toEqual(["ec"]);
  const { fingerprint } = readPublicKey(publicPem(ec));
  expect(infos).toEqual([{ path: file, keys: [{ file, algorithm: "ES256", sha256: fingerprint }] }]);
});

test("a directory gives the key of each key file and passes over the rest", () => {
  put("a.pem", publicPem(a));
  put("b.crt", certificatePem(b));
  put("README", "which key is whose");
  put(".a.pem.swp", "rubbish");
  expect(names(open(directory))).toEqual(["a", "b"]);
});

test("the same key in two files counts once", () => {
  put("a.pem", publicPem(a));
  put("again.crt", certificatePem(a));
  expect(names(open(directory))).toEqual(["a"]);
});

test("a changed file is taken up after a second, without a restart", () => {
  const file = put("deployer.pub", publicPem(a));
  const store = open(file);
  put("deployer.pub", publicPem(b));
  now += 999;
  expect(names(store)).toEqual(["a"]);
  now += 1;
  expect(names(store)).toEqual(["b"]);
});

test("after each look the files are left alone for a second", () => {
  const store = later(open(put("deployer.pub", publicPem(a))));
  put("deployer.pub", publicPem(b));
  expect(names(store)).toEqual(["a"]);
  expect(names(later(store))).toEqual(["b"]);
});

test("a change that keeps size and time is seen", () => {
  const file = put("deployer.pub", publicPem(a));
  utimesSync(file, 1, 1);
  const store = open(file);
  put("deployer.pub", publicPem(b));
  utimesSync(file, 1, 1);
  expect(names(later(store))).toEqual(["b"]);
});

test("a clock that was set back does not stop the re-reading", () => {
  const file = put("deployer.pub", publicPem(a));
  const store = open(file);
  put("deployer.pub", publicPem(b));
  now -= 3_600_000;
  expect(names(store)).toEqual(["b"]);
});

test("the files are not read again while nobody asks, and once for many questions in a second", () => {
  const store = open(put("deployer.pub", publicPem(a)));
  rmSync(join(directory, "deployer.pub"));
  now += 60_000;
  for (let question = 0; question < 100; question++) store.keys();
  expect(errors).toHaveLength(1);
});

test("keys rotate through a directory without a gap: old, both, new", () => {
  put("a.pem", publicPem(a));
  const store = open(directory);
  put("b.pem", publicPem(b));
  expect(names(later(store))).toEqual(["a", "b"]);
  rmSync(join(directory, "a.pem"));
  expect(names(later(store))).toEqual(["b"]);
  expect(errors).toEqual([]);
  expect(infos).toHaveLength(3);
});

test("a directory swapped by symbolic link is followed", () => {
  for (const [name, pair] of [
    ["one", a],
    ["two", b],
  ] as const) {
    mkdirSync(join(directory, name));
    put(`${name}/key.pem`, publicPem(pair));
  }
  symlinkSync(join(directory, "one"), join(directory, "current"));
  const store = open(join(directory, "current"));
  symlinkSync(join(directory, "two"), join(directory, "next"));
  renameSync(join(directory, "next"), join(directory, "current"));
  expect(names(later(store))).toEqual(["b"]);
});

test.each([
  ["half a file", () => put("deployer.pub", publicPem(b).slice(0, 40))],
  ["an empty file", () => put("deployer.pub", "")],
  ["a private key", () => put("deployer.pub", privatePem(b))],
])("%s later keeps the old key and is logged once, until it is put right", (_, damage) => {
  const file = put("deployer.pub", publicPem(a));
  const store = open(file);
  damage();
  for (let second = 0; second < 5; second++) expect(names(later(store))).toEqual(["a"]);
  expect(errors).toEqual([{ path: file, problems: [expect.stringContaining(`${file}: `)] }]);
  put("deployer.pub", publicPem(b));
  expect(names(later(store))).toEqual(["b"]);
  damage();
  expect(names(later(store))).toEqual(["b"]);
  expect(errors).toHaveLength(2);
});

test("no problem that is logged holds key material", () => {
  const file = put("deployer.pub", publicPem(a));
  const store = open(file);
  const secret = privatePem(b);
  put("deployer.pub", secret);
  later(store);
  expect(JSON.stringify(errors)).not.toContain(secret.split("\n")[1] ?? secret);
});

test("in a directory a broken file keeps its own key, new ones count, and a removed one is gone", () => {
  for (const [name, pair] of [
    ["a", a],
    ["b", b],
  ] as const)
    put(`${name}.pem`, publicPem(pair));
  const store = open(directory);
  put("a.pem", "broken");
  put("c.pem", publicPem(ec));
  rmSync(join(directory, "b.pem"));
  expect(names(later(store))).toEqual(["a", "ec"]);
  expect(errors).toHaveLength(1);
});

test.each([
  ["the only file", () => put("deployer.pub", publicPem(a)), "deployer.pub"],
  [
    "the last file of a directory",
    () => {
      put("deployer.pub", publicPem(a));
      return directory;
    },
    "deployer.pub",
  ],
  [
    "the directory itself",
    () => {
      mkdirSync(join(directory, "keys"));
      put("keys/deployer.pub", publicPem(a));
      return join(directory, "keys");
    },
    "keys",
  ],
])("%s taken away revokes its key, says so once, and a new one counts", (_, make, taken) => {
  const path = make();
  const store = open(path);
  rmSync(join(directory, taken), { recursive: true });
  for (let second = 0; second < 3; second++) expect(names(later(store))).toEqual([]);
  expect(said).toEqual(["no verification key is left: every token is refused"]);
  if (taken === "keys") mkdirSync(path);
  put(taken === "keys" ? "keys/new.pub" : "deployer.pub", publicPem(b));
  expect(names(later(store))).toEqual(["b"]);
});

test("a directory whose only key file is a new, broken one has no key any more", () => {
  put("a.pem", publicPem(a));
  const store = open(directory);
  rmSync(join(directory, "a.pem"));
  put("b.pem", publicPem(b).slice(0, 40));
  expect(names(later(store))).toEqual([]);
  expect(errors).toEqual([{ path: directory, problems: [expect.stringContaining("b.pem: ")] }]);
});

test("too many files later leave the keys as they were, but for one that is taken away", () => {
  put("a.pem", publicPem(a));
  put("b.pem", publicPem(b));
  const store = open(directory);
  many(17);
  expect(names(later(store))).toEqual(["a", "b"]);
  rmSync(join(directory, "a.pem"));
  expect(names(later(store))).toEqual(["b"]);
});

test.each([
  ["a missing file", () => join(directory, "none.pem"), /none\.pem: no such file or directory$/],
  ["an empty directory", () => directory, /: the directory holds no \*\.pem/],
  ["a private key", () => put("private.pem", privatePem(a)), /private\.pem: it holds a private key/],
  ["rubbish", () => put("deployer.pub", "hello"), /deployer\.pub: .*must be a PEM/i],
  [
    "a file that is too large",
    () => put("deployer.pub", "x".repeat(70_000)),
    /deployer\.pub: larger than 65536 bytes/,
  ],
  ["a device", () => "/dev/zero", /^\/dev\/zero: not a regular file$/],
  ["a pipe nobody writes to", () => pipe("deployer.pub"), /deployer\.pub: not a regular file$/],
  ["too many keys", () => many(17), /holds 17 key files, more than 16$/],
])("%s at the start is a config error that names the path", (_, make, message) => {
  const path = make();
  expect(() => open(path)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(message) }),
  );
});

test("at the start one error names every bad file of a directory", () => {
  put("a.pem", publicPem(a));
  put("b.pem", "rubbish");
  put("private.pem", privatePem(b));
  expect(() => open(directory)).toThrow(/b\.pem: .*; .*private\.pem: it holds a private key/);
});

function open(path: string): KeyStore {
  return openKeyStore({
    path,
    now: () => now,
    log: {
      info: (_, fields) => infos.push(fields),
      error: (message, fields) => {
        said.push(message);
        errors.push(fields);
      },
    },
  });
}

function later(store: KeyStore): KeyStore {
  now += 1000;
  store.keys();
  return store;
}

function names(store: KeyStore): string[] {
  const known = Object.entries({ a, b, ec }).map(
    ([name, pair]) => [readPublicKey(publicPem(pair)).fingerprint, name] as const,
  );
  return store.keys().map((key) => new Map(known).get(key.fingerprint) ?? "unknown");
}

function put(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

function pipe(name: string): string {
  execFileSync("mkfifo", [join(directory, name)]);
  return join(directory, name);
}

function many(count: number): string {
  for (let index = 0; index < count; index++) put(`${index}.pem`, publicPem(a));
  return directory;
}
