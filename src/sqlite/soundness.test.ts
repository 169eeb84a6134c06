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

import { queued } from "../../test/fakes/deployment.ts";
import { howLeft } from "./soundness.ts";
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
      ...queued(`d${n}`, n),
      reason: "long ".repeat(200),
    });
  store.close();
}

test("what a clean stop has left is untouched, and that is said once", () => {
  stopped();
  expect(howLeft(file())).toBe("untouched");
  expect(howLeft(file())).toBe("in_use");
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
  expect(howLeft(file())).toBe("untouched");
});

test("a store that was not closed is in use", () => {
  const store = openStore(folder);
  expect(howLeft(file())).toBe("in_use");
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
  ["with a mark of something else", () => writeFileSync(`${file()}.sound`, "1 2 3 4 5")],
  ["gone", () => rmSync(file())],
];
for (const [name, change] of CHANGES) {
  test(`one that is ${name} is looked at closely`, () => {
    stopped();
    change();
    expect(howLeft(file())).toBe("changed");
  });
}

test("a page of rubbish behind our back is refused at the start, whatever its times say", () => {
  stopped();
  damage({ keepTime: true });
  expect(() => openStore(folder)).toThrow("cannot be used");
});

/** What a kill leaves behind: a used file without the note of a stop. */
function killed(boot: string): void {
  openStore(folder, boot).close();
  rmSync(`${file()}.sound`);
}

test("after a kill a sound file is opened, whichever start of the host it was", () => {
  stopped();
  for (const boot of ["one", "one", "two"]) {
    killed("one");
    const store = openStore(folder, boot);
    expect(store.find("d7")).toBeDefined();
    store.close();
  }
});

test.each(["deployments", "deployments_by_time", "pins", "origins", "facts", "read_keys"])(
  "after a kill damage in %s is refused, though only what is decided by is read",
  (table) => {
    stopped();
    killed("one");
    damagePageOf(table);
    expect(() => openStore(folder, "one")).toThrow("cannot be used");
  },
);

test("damage in the events is found when the host went down, and does not stop the start after a mere kill", () => {
  stopped();
  killed("one");
  damagePageOf("events");
  expect(() => openStore(folder, "two")).toThrow("cannot be used");
  const store = openStore(folder, "one");
  expect(store.find("d7")).toBeDefined();
  expect(() => store.events("d7", 0, 10)).toThrow("malformed");
  store.close();
});

test("a page in use that counts as free is found when the host went down: no table shows it, and the next row could take it", () => {
  stopped();
  killed("one");
  countAsFree("pins");
  expect(() => openStore(folder, "two")).toThrow("Freelist");
  openStore(folder, "one").close();
});

/** All free pages become this one, in the first list of them (SQLite file format, 1.5). */
function countAsFree(table: string): void {
  const database = new Database(file());
  database.run("DELETE FROM deployments");
  database.close();
  const bytes = readFileSync(file());
  const list = PAGE * (bytes.readUInt32BE(32) - 1);
  const count = bytes.readUInt32BE(list + 4);
  expect(count).toBeGreaterThan(0);
  for (let n = 0; n < count; n += 1) bytes.writeUInt32BE(pageOf(table), list + 8 + 4 * n);
  writeFileSync(file(), bytes);
}

function damagePageOf(table: string): void {
  const page = pageOf(table);
  const bytes = readFileSync(file());
  bytes.fill(0xa5, PAGE * (page - 1), PAGE * page);
  writeFileSync(file(), bytes);
}

function pageOf(table: string): number {
  const database = new Database(file());
  const page = database
    .query<{ rootpage: number }, [string]>("SELECT rootpage FROM sqlite_schema WHERE name = ?")
    .get(table)?.rootpage;
  database.close();
  if (page === undefined) throw new Error(`no ${table}`);
  return page;
}

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
