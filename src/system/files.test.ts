import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { writeFileAtomically } from "./files.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "files-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a file is written for its owner only, and nothing else stays", () => {
  writeFileAtomically(join(folder, "a"), "content é\n");
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("content é\n");
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("a file that others could read is closed to them when it is replaced", () => {
  writeFileSync(join(folder, "a"), "old", { mode: 0o644 });
  writeFileAtomically(join(folder, "a"), "new");
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o600);
});

test("what a crash left half written is in nobody's way, and stays closed to others", () => {
  writeFileSync(join(folder, "a.new"), "a much longer half of something", { mode: 0o644 });
  writeFileAtomically(join(folder, "a"), "new");
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("new");
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("whoever has the old file open reads the old content to its end", () => {
  writeFileAtomically(join(folder, "a"), "old");
  const reader = openSync(join(folder, "a"), "r");
  writeFileAtomically(join(folder, "a"), "newer");
  const bytes = Buffer.alloc(10);
  expect(bytes.toString("utf8", 0, readSync(reader, bytes))).toBe("old");
  closeSync(reader);
});

test("a write that fails leaves the old content", () => {
  writeFileAtomically(join(folder, "a"), "old");
  // A folder in the place of the temporary file.
  rmSync(join(folder, "a.new"), { force: true });
  Bun.spawnSync(["mkdir", join(folder, "a.new")]);
  expect(() => writeFileAtomically(join(folder, "a"), "new")).toThrow();
  expect(readFileSync(join(folder, "a"), "utf8")).toBe("old");
});
