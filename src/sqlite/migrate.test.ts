import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { migrate } from "./migrate.ts";
import initial from "./migrations/0001_initial.sql" with { type: "text" };

function tables(database: Database): string[] {
  return database
    .query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ name }) => name);
}

function version(database: Database): number | undefined {
  return database.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version;
}

test("an empty database gets every table", () => {
  const database = new Database(":memory:");
  migrate(database, "state.db");
  expect(tables(database)).toEqual([
    "brought_images",
    "deployments",
    "diagnoses",
    "events",
    "facts",
    "guards",
    "origins",
    "parts",
    "pins",
    "read_keys",
    "rejected",
    "spent_keys",
    "versions",
  ]);
  expect(version(database)).toBe(9);
});

test("one that is up to date keeps what it has", () => {
  const database = new Database(":memory:");
  migrate(database, "state.db");
  database.run("INSERT INTO facts (name, value) VALUES ('project', 'shop')");
  migrate(database, "state.db");
  expect(database.query("SELECT value FROM facts").all()).toEqual([{ value: "shop" }]);
  expect(version(database)).toBe(9);
});

test("one of the first version gets what came later, and keeps its deployments", () => {
  const database = new Database(":memory:");
  database.run(initial);
  database.run("PRAGMA user_version = 1");
  database.run(
    `INSERT INTO deployments (id, service, force, issuer, status, reason, created_at)
     VALUES ('d1', 'web', 0, 'me', 'queued', '', 1)`,
  );
  migrate(database, "state.db");
  expect(database.query("SELECT id, status, superseded_by FROM deployments").all()).toEqual([
    { id: "d1", status: "queued", superseded_by: null },
  ]);
});

test("one of a newer version is refused and left alone", () => {
  const database = new Database(":memory:");
  database.run("PRAGMA user_version = 10");
  expect(() => migrate(database, "state.db")).toThrow(
    expect.objectContaining({
      code: "config",
      message:
        "state.db was written by a newer deployer-service (schema 10, this one knows 9): install that version again, or move the file away to start without history",
    }),
  );
  expect(tables(database)).toEqual([]);
});

test("a step that fails leaves nothing behind", () => {
  const database = new Database(":memory:");
  database.run("CREATE TABLE pins (mine TEXT)");
  expect(() => migrate(database, "state.db")).toThrow("already exists");
  expect(tables(database)).toEqual(["pins"]);
  expect(version(database)).toBe(0);
});
