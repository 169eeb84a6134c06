import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { planOf, progress, versionOf } from "../../test/fakes/commit.ts";
import { queued } from "../../test/fakes/deployment.ts";
import { begin, type Deployment } from "../core/deployment.ts";
import type { Plan } from "../core/store.ts";
import initial from "./migrations/0001_initial.sql" with { type: "text" };
import history from "./migrations/0002_history.sql" with { type: "text" };
import queue from "./migrations/0003_queue.sql" with { type: "text" };
import gated from "./migrations/0004_gated.sql" with { type: "text" };
import broughtImages from "./migrations/0005_brought_images.sql" with { type: "text" };
import traffic from "./migrations/0006_traffic.sql" with { type: "text" };
import { openStore, type OpenStore } from "./store.ts";

let folder = "";
let opened: OpenStore[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "upgrade-test-"));
});
afterEach(() => {
  for (const store of opened) store.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

/** A store whose database a version with this schema has left. */
function upgraded(schema: readonly string[], fill: (database: Database) => void): OpenStore {
  const database = new Database(join(folder, "deployer.db"));
  for (const sql of schema) database.run(sql);
  database.run(`PRAGMA user_version = ${schema.length}`);
  fill(database);
  database.close();
  const store = openStore(folder);
  opened.push(store);
  return store;
}

function insert(database: Database, id: string, fields: Record<string, string | number | null> = {}): void {
  const row = {
    id,
    service: "web",
    force: 0,
    issuer: "me",
    status: "queued",
    reason: "",
    created_at: 1,
    ...fields,
  };
  const names = Object.keys(row);
  database
    .query(`INSERT INTO deployments (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`)
    .run(...Object.values(row));
}

const PIN = "INSERT INTO pins VALUES ('web', 'web:v1@sha256:1', 'web:v1', 'sha256:1', 'abc', 'd1')";
const running = (id: string): Deployment => begin(queued(id), 2);

test("a database of the first version keeps its deployments and gets its history", () => {
  const store = upgraded([initial], (database) => {
    insert(database, "d1", {
      status: "succeeded",
      image: "web:v1",
      digest: "sha256:1",
      changed: 1,
      started_at: 2,
      ended_at: 6,
    });
    insert(database, "d2", { force: 1, created_at: 7 });
    database.run(PIN);
  });
  const ended: Deployment = {
    ...running("d1"),
    status: "succeeded",
    parts: [{ service: "web", image: "web:v1", digest: "sha256:1" }],
    changed: true,
    endedAt: 6,
  };
  expect(store.find("d1")).toEqual(ended);
  expect(store.find("d2")).toEqual({ ...queued("d2", 7), force: true });
  const all = { service: "web", status: undefined, readable: "all", before: undefined, limit: 10 } as const;
  expect(store.list(all).map(({ id }) => id)).toEqual(["d2", "d1"]);
  expect(store.list({ ...all, status: "succeeded" }).map(({ id }) => id)).toEqual(["d1"]);
  store.addEvent("d1", { at: 7, phase: "log", level: "info", text: "one" });
  expect(store.events("d1", 0, 10)).toHaveLength(1);
});

test("what runs by a pin can be gone back to, its image known by its text alone", () => {
  const store = upgraded([initial, history, queue], (database) => {
    insert(database, "d1", { status: "succeeded", started_at: 2, ended_at: 6 });
    database.run(PIN);
    database.run(
      "INSERT INTO origins VALUES ('c1', 'web', 'the old one', 'other'), ('c2', 'web', 'hash', 'abc'), ('c3', 'web', 'hash', 'abc')",
    );
  });
  expect(store.pins()).toHaveLength(1);
  expect(store.versions("web")).toEqual([versionOf("d1", { imageId: "", committedAt: 6 })]);
});

test("a key that was spent before keys of tokens came stays spent", () => {
  const schema = [initial, history, queue, gated, broughtImages, traffic];
  const store = upgraded(schema, (database) => {
    database.run(
      "INSERT INTO deployments (id, force, issuer, status, reason, created_at) VALUES ('d1', 0, 'me', 'succeeded', '', 1)",
    );
    database.run("INSERT INTO spent_keys VALUES ('me', 'k', 'POST /deploy 1', 'd1', 100)");
  });
  const spent = { request: "POST /deploy 1", deployment: "d1" };
  expect(store.spentKey({ kind: "header", owner: "me", key: "k" }, 99)).toEqual(spent);
  expect(store.spentKey({ kind: "token", owner: "", key: "k" }, 99)).toBeUndefined();
});

test("an unfinished rollout is taken up from what the version before wrote down", () => {
  const before = { running: ["a"], all: ["a", "b"], recorded: "old" };
  const store = upgraded([initial, history, queue], (database) => {
    const started = { status: "running", started_at: 2 };
    insert(database, "d1", { ...started, before: JSON.stringify(before) });
    insert(database, "d2", {
      ...started,
      service: "api",
      before: JSON.stringify({ ...before, switching: true }),
    });
    insert(database, "d3", {
      ...started,
      service: "mail",
      before: JSON.stringify({ ...before, switching: true }),
    });
    insert(database, "d4", { ...started, service: "cron" });
    insert(database, "d5", { status: "failed", ended_at: 3, before: JSON.stringify(before) });
    database.run(
      "INSERT INTO pins VALUES ('mail', 'mail:v1@sha256:1', 'mail:v1', 'sha256:1', 'abc', 'd3'), ('api', 'api:v1@sha256:1', 'api:v1', 'sha256:1', 'abc', 'd5')",
    );
  });
  const unknown = {
    imageText: "",
    fileImage: "",
    digest: "",
    imageId: "",
    recorded: "",
    configHash: "",
    number: 0,
  };
  const plan = (service: string, version: Partial<Plan["version"]> = unknown): Plan => ({
    ...planOf({ service, before: { ...before, imageId: "" } }),
    version: { ...planOf({ service }).version, ...version },
  });
  expect(store.find("d1")).toEqual(running("d1"));
  expect(store.progress("d1")).toEqual(progress({ plans: [plan("web")] }));
  expect(store.progress("d2")).toEqual(progress({ stage: "going_back", plans: [plan("api")] }));
  expect(store.progress("d3")).toEqual(
    progress({ stage: "going_back", plans: [plan("mail", { imageId: "", configHash: "" })] }),
  );
  expect(store.progress("d4")).toBeUndefined();
  expect(store.progress("d5")).toBeUndefined();
  expect(store.neededRecords()).toEqual(new Set(["abc", "old"]));
});
