import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { refusal } from "./refusal.ts";
import { noteBoot } from "./soundness.ts";

/** What SQLite says when a table does not fit any more. */
function fullError(): unknown {
  using database = new Database(":memory:");
  database.run("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)");
  database.run("PRAGMA max_page_count = 3");
  try {
    database.query("INSERT INTO facts VALUES ('a', ?)").run("x".repeat(100_000));
  } catch (error) {
    return error;
  }
  throw new Error("it was not full");
}

test("a disk that is full is no reason to give up the history", () => {
  expect(refusal("/state/deployer.db", fullError())).toMatchObject({
    code: "config",
    message:
      "/state/deployer.db cannot be used: database or disk is full; free some space on its disk, nothing is lost",
  });
});

test.each([
  ["SQLITE_IOERR_SHMSIZE", "its disk is full or failing"],
  ["SQLITE_CANTOPEN", "must belong to the user who runs the daemon"],
  ["SQLITE_READONLY_DIRECTORY", "must belong to the user who runs the daemon"],
  ["SQLITE_CORRUPT", "put a backup in its place"],
])("what to do about %s", (code, text) => {
  expect(refusal("/state/deployer.db", Object.assign(new Error("no"), { code })).message).toContain(text);
});

test("a start of the host that cannot be noted is no reason not to start: the next one looks closely", () => {
  using database = new Database(":memory:");
  database.run("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT)");
  noteBoot(database, "one");
  database.run("PRAGMA query_only = ON");
  noteBoot(database, "two");
  expect(database.query("SELECT value FROM facts").all()).toEqual([{ value: "one" }]);
});
