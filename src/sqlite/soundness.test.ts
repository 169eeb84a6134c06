import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { accept } from "../core/deployment.ts";
import { isKnownSound } from "./soundness.ts";
import { openStore } from "./store.ts";

const PAGE = 4096;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "soundness-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => join(folder, "deployer.db");

/** A store that was used and closed, as a clean stop leaves it. */
function stopped(): void {
  const store = openStore(folder);
  for (let n = 0; n < 50; n += 1)
    store.insert({
      ...accept(`d${n}`, { service: "web", image: undefined, force: false }, "me", n),
      reason: "long ".repeat(200),
    });
  store.close();
}

test("what a clean stop has left is known to be sound, once", () => {
  stopped();
  expect(isKnownSound(file())).toBe(true);
  expect(isKnownSound(file())).toBe(false);
});

test("a clean stop leaves everything in the one file", () => {
  stopped();
  const copy = join(folder, "copy.db");
  cpSync(file(), copy);
  const database = new Database(copy);
  expect(database.query("SELECT COUNT(*) AS n FROM deployments").get()).toEqual({ n: 50 });
  database.close();
});

test("a start uses the mark up and the next stop leaves a new one", () => {
  stopped();
  const store = openStore(folder);
  expect(existsSync(`${file()}.sound`)).toBe(false);
  store.close();
  expect(isKnownSound(file())).toBe(true);
});

test("a store that was not closed is not known to be sound", () => {
  const store = openStore(folder);
  expect(isKnownSound(file())).toBe(false);
  store.close();
});

test("the mark is for its owner's eyes and holds no secret", () => {
  stopped();
  expect(statSync(`${file()}.sound`).mode & 0o777).toBe(0o600);
  expect(readFileSync(`${file()}.sound`, "utf8")).toMatch(/^\d+( \d+){4}$/);
});

const CHANGES: [name: string, change: () => void][] = [
  ["written to by somebody else", () => new Database(file()).run("PRAGMA user_version = 1")],
  ["damaged, its time of change set back", () => damage({ keepTime: true })],
  ["a copy of itself", () => replaceByCopy()],
  ["cut short", () => writeFileSync(file(), readFileSync(file()).subarray(0, PAGE * 3))],
  ["accompanied by a log", () => writeFileSync(`${file()}-wal`, "something")],
  ["without its mark", () => rmSync(`${file()}.sound`)],
  ["with a mark of something else", () => writeFileSync(`${file()}.sound`, "1 2 3 4 5")],
  ["gone", () => rmSync(file())],
];
for (const [name, change] of CHANGES) {
  test(`one that is ${name} is looked at closely`, () => {
    stopped();
    change();
    expect(isKnownSound(file())).toBe(false);
  });
}

test("a page of rubbish behind our back is refused at the start, whatever its times say", () => {
  stopped();
  damage({ keepTime: true });
  expect(() => openStore(folder)).toThrow("cannot be used");
});

test("after a kill the whole file is looked at, and a sound one is opened", () => {
  stopped();
  rmSync(`${file()}.sound`);
  const store = openStore(folder);
  expect(store.find("d7")).toBeDefined();
  store.close();
});

function damage({ keepTime }: { keepTime: boolean }): void {
  const { atime, mtime } = statSync(file());
  const bytes = readFileSync(file());
  bytes.fill(0xa5, bytes.length - PAGE * 2, bytes.length - PAGE);
  writeFileSync(file(), bytes);
  if (keepTime) utimesSync(file(), atime, mtime);
}

function replaceByCopy(): void {
  cpSync(file(), `${file()}.copy`, { preserveTimestamps: true });
  rmSync(file());
  cpSync(`${file()}.copy`, file(), { preserveTimestamps: true });
}
