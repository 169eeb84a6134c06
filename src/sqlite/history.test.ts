import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { commitOf } from "../../test/fakes/commit.ts";
import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { begin, type Deployment, end } from "../core/deployment.ts";
import type { DeploymentQuery } from "../core/history.ts";
import type { Store } from "../core/store.ts";
import { listing } from "./listing.ts";
import { openStore, type OpenStore } from "./store.ts";

let folder = "";
let opened: OpenStore[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "history-test-"));
});
afterEach(() => {
  for (const store of opened) store.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

function open(): OpenStore {
  const store = openStore(folder);
  opened.push(store);
  return store;
}

function ended(
  id: string,
  at: number,
  status: "succeeded" | "failed" = "succeeded",
  services: string | readonly string[] = "web",
): Deployment {
  return end(begin(queued(id, at, services), at), outcomeOf(status), at);
}
const event = (text: string) => ({ at: 7, phase: "log", level: "info", text }) as const;
const ids = (store: Store, query: Partial<DeploymentQuery> = {}): string[] =>
  store
    .list({ service: undefined, status: undefined, readable: "all", before: undefined, limit: 100, ...query })
    .map(({ id }) => id);
const FOR_EVER = { createdBefore: 0, keep: 1_000_000, batch: 100 };

// As in store.test.ts: the tests of the core rely on the store without a disk.
describe.each<[string, () => Store]>([
  ["the store", open],
  ["the store without a disk", fakeStore],
])("%s", (_, make) => {
  test("lists newest first, by id within a millisecond, from any place on", () => {
    const store = make();
    store.insert(ended("a", 1));
    store.insert(ended("c", 2, "failed"));
    store.insert(queued("b", 2, "api"));
    store.insert(ended("d", 3, "failed", "api"));
    expect(ids(store)).toEqual(["d", "c", "b", "a"]);
    expect(ids(store, { limit: 2 })).toEqual(["d", "c"]);
    expect(ids(store, { before: { createdAt: 2, id: "c" } })).toEqual(["b", "a"]);
    expect(ids(store, { before: { createdAt: 2, id: "bb" } })).toEqual(["b", "a"]);
    expect(ids(store, { service: "api" })).toEqual(["d", "b"]);
    expect(ids(store, { status: "failed" })).toEqual(["d", "c"]);
    expect(ids(store, { service: "api", status: "failed" })).toEqual(["d"]);
    expect(ids(store, { service: "api", before: { createdAt: 3, id: "d" } })).toEqual(["b"]);
  });

  test("finds a deployment by any of its services, with its status as it is now", () => {
    const store = make();
    store.insert(queued("a", 1, ["web", "worker"]));
    store.insert(queued("b", 2, ["worker"]));
    store.insert(queued("c", 3, ["api", "web", "worker"]));
    expect(ids(store, { service: "worker" })).toEqual(["c", "b", "a"]);
    expect(ids(store, { service: "worker", before: { createdAt: 3, id: "c" } })).toEqual(["b", "a"]);
    store.update(ended("a", 1, "failed", ["web", "worker"]));
    expect(ids(store, { service: "worker", status: "queued" })).toEqual(["c", "b"]);
    expect(ids(store, { service: "web", status: "failed" })).toEqual(["a"]);
    expect(ids(store, { service: "api", status: "failed" })).toEqual([]);
    expect(ids(store, { status: "failed" })).toEqual(["a"]);
    expect(ids(store)).toEqual(["c", "b", "a"]);
  });

  test("lists deployments whole, but for what failed containers printed", () => {
    const store = make();
    const { diagnoses: _diagnoses, ...summary } = ended("a", 1, "failed", ["web", "worker"]);
    store.insert(ended("a", 1, "failed", ["web", "worker"]));
    const all = {
      service: undefined,
      status: undefined,
      readable: "all",
      before: undefined,
      limit: 10,
    } as const;
    expect(store.list(all)).toEqual([summary]);
    expect(store.list({ ...all, service: "worker" })).toEqual([summary]);
    expect(store.list(all)[0]).not.toHaveProperty("diagnoses");
  });

  test("lists deployments all of whose services may be read, and pages go on behind those that may not", () => {
    const store = make();
    store.insert(ended("a", 1, "succeeded", ["web"]));
    store.insert(ended("b", 2, "succeeded", ["web", "worker"]));
    store.insert(ended("c", 3, "failed", ["worker"]));
    store.insert(ended("d", 4, "failed", ["web"]));
    expect(ids(store, { readable: new Set(["web"]) })).toEqual(["d", "a"]);
    expect(ids(store, { readable: new Set(["web"]), limit: 1 })).toEqual(["d"]);
    expect(ids(store, { readable: new Set(["web"]), before: { createdAt: 4, id: "d" } })).toEqual(["a"]);
    expect(ids(store, { readable: new Set(["web"]), service: "worker" })).toEqual([]);
    expect(ids(store, { readable: new Set(["worker"]), status: "failed" })).toEqual(["c"]);
    expect(ids(store, { readable: new Set(["web", "worker"]) })).toEqual(["d", "c", "b", "a"]);
    expect(ids(store, { readable: new Set() })).toEqual([]);
  });

  test("numbers the events of each deployment from 1", () => {
    const store = make();
    store.insert(queued("d1", 1));
    store.insert(queued("d2", 1));
    store.addEvent("d1", event("one"));
    store.addEvent("d2", event("of another"));
    store.addEvent("d1", { ...event("two"), phase: "ended", level: "error" });
    expect(store.events("d1", 0, 10)).toEqual([
      { seq: 1, ...event("one") },
      { seq: 2, at: 7, phase: "ended", level: "error", text: "two" },
    ]);
    expect(store.events("d1", 1, 10).map(({ seq }) => seq)).toEqual([2]);
    expect(store.events("d1", 0, 1).map(({ seq }) => seq)).toEqual([1]);
    expect(store.events("d1", 2, 10)).toEqual([]);
    expect(store.events("nope", 0, 10)).toEqual([]);
    expect(() => store.addEvent("nope", event("x"))).toThrow("FOREIGN KEY");
  });

  test("keeps a read key until it has expired", () => {
    const store = make();
    store.insert(queued("d1", 1));
    store.saveReadKey({ hash: "h1", deployment: "d1", output: true, expiresAt: 10 });
    store.saveReadKey({ hash: "h2", deployment: "d1", output: false, expiresAt: 11 });
    expect(store.readKey("h1")).toEqual({ hash: "h1", deployment: "d1", output: true, expiresAt: 10 });
    expect(store.readKey("h2")).toMatchObject({ output: false });
    expect(store.readKey("h3")).toBeUndefined();
    store.dropExpiredReadKeys(10);
    expect(store.readKey("h1")).toBeUndefined();
    expect(store.readKey("h2")).toBeDefined();
  });

  test("keeps a thousand read keys of a deployment, and no more until some have expired", () => {
    const store = make();
    for (const id of ["d1", "d2"]) store.insert(queued(id, 1));
    const save = (hash: string, deployment = "d1") =>
      store.saveReadKey({ hash, deployment, output: true, expiresAt: 10 });
    for (let n = 0; n < 1_000; n += 1) expect(save(`h${n}`)).toBe(true);
    expect(save("more")).toBe(false);
    expect(store.readKey("more")).toBeUndefined();
    expect(save("other", "d2")).toBe(true);
    store.dropExpiredReadKeys(10);
    expect(save("more")).toBe(true);
  });

  test("forgets what is too old and what is too many, the oldest first, no more than asked for", () => {
    const store = make();
    for (let n = 0; n < 9; n += 1) store.insert(ended(`d${n}`, n));
    expect(store.prune(FOR_EVER)).toBe(0);
    expect(store.prune({ createdBefore: 3, keep: 100, batch: 2 })).toBe(2);
    expect(ids(store)).toEqual(["d8", "d7", "d6", "d5", "d4", "d3", "d2"]);
    expect(store.prune({ createdBefore: 3, keep: 100, batch: 2 })).toBe(1);
    expect(store.prune({ createdBefore: 3, keep: 100, batch: 2 })).toBe(0);
    expect(store.prune({ createdBefore: 0, keep: 4, batch: 100 })).toBe(2);
    expect(ids(store)).toEqual(["d8", "d7", "d6", "d5"]);
    expect(store.prune({ createdBefore: 7, keep: 3, batch: 100 })).toBe(2);
    expect(ids(store)).toEqual(["d8", "d7"]);
  });

  test("never forgets a deployment that has not ended, nor that of a pin or a version", () => {
    const store = make();
    store.insert(ended("pinned", 1));
    store.insert(queued("waiting", 2));
    store.insert(begin(queued("running", 3), 3));
    store.insert(ended("plain", 4));
    store.commit([commitOf("pinned")]);
    expect(store.prune({ createdBefore: 100, keep: 1, batch: 100 })).toBe(1);
    expect(ids(store)).toEqual(["running", "waiting", "pinned"]);
    store.insert(ended("next", 5));
    store.commit([commitOf("next")]);
    expect(store.prune({ createdBefore: 100, keep: 1, batch: 100 })).toBe(0);
    store.dropVersion({ service: "web", deployment: "pinned" });
    expect(store.prune({ createdBefore: 100, keep: 1, batch: 100 })).toBe(1);
    expect(ids(store)).toEqual(["next", "running", "waiting"]);
  });

  test("forgets events and read keys with their deployment, and no key that keeps a request from starting again", () => {
    const store = make();
    for (const id of ["d1", "d2"]) {
      const key = { ...keyOf(id), request: "POST /deploy 1", expiresAt: 1_000 };
      store.insert(ended(id, id === "d1" ? 1 : 2), { superseded: [], keys: [key], run: undefined });
      store.addEvent(id, event("one"));
      store.saveReadKey({ hash: `key of ${id}`, deployment: id, output: true, expiresAt: 1_000 });
    }
    expect(store.prune({ createdBefore: 0, keep: 1, batch: 100 })).toBe(1);
    expect(store.find("d1")).toBeUndefined();
    expect(store.events("d1", 0, 10)).toEqual([]);
    expect(store.readKey("key of d1")).toBeUndefined();
    expect(store.spentKey(keyOf("d1"), 0)?.deployment).toBe("d1");
    expect(store.spentKey(keyOf("d2"), 0)?.deployment).toBe("d2");
    expect(store.events("d2", 0, 10)).toHaveLength(1);
    expect(store.readKey("key of d2")).toBeDefined();
  });
});

function keyOf(deployment: string) {
  return { kind: "token", owner: "", key: `key of ${deployment}` } as const;
}

test("every listing is read from an index, without sorting", () => {
  open();
  const database = new Database(join(folder, "deployer.db"));
  const queries = [undefined, "web"].flatMap((service) =>
    ["all" as const, new Set(["web"])].map((readable) => ({ service, readable })),
  );
  for (const { service, readable } of queries) {
    for (const status of [undefined, "failed"] as const) {
      for (const before of [undefined, { createdAt: 5, id: "x" }]) {
        const { sql, values } = listing({ service, status, readable, before, limit: 50 });
        const plan = database
          .query<{ detail: string }, typeof values>(`EXPLAIN QUERY PLAN ${sql}`)
          .all(...values);
        const text = plan.map(({ detail }) => detail).join("; ");
        expect([sql, text]).toEqual([
          sql,
          expect.stringMatching(/USING INDEX (deployments|parts)_by_|USING COVERING INDEX parts_by_/),
        ]);
        expect([sql, text]).toEqual([sql, expect.not.stringContaining("TEMP B-TREE")]);
        if (service !== undefined)
          expect(text).toContain(`(service=?${status === undefined ? "" : " AND status=?"}`);
      }
    }
  }
  database.close();
});
