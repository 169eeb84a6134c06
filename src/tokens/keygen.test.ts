import { lstatSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "bun:test";

import { writeKeyPair } from "./keygen.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "keygen-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

test.each(["private.pem", "public.pem"])(
  "no key is written through a link named %s, and none stays behind",
  (name) => {
    const target = join(directory, "elsewhere.pem");
    symlinkSync(target, join(directory, name));
    expect(() => writeKeyPair("ed25519", directory)).toThrow(/EEXIST/);
    expect(readdirSync(directory)).toEqual([name]);
    expect(lstatSync(join(directory, name)).isSymbolicLink()).toBe(true);
  },
);

test("the signing key is not printed by accident", () => {
  const { signingKey } = writeKeyPair("ed25519", directory);
  expect(String(signingKey) + JSON.stringify({ signingKey })).not.toContain(signingKey.reveal());
});
