import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { commitOf, planOf, progress, versionOf } from "../../test/fakes/commit.ts";
import { diagnosisOf, outcomeOf, queued, requestFor } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { accept, begin, type DeploymentTraffic, end, type Outcome, supersede } from "../core/deployment.ts";
import type { Acceptance, Store } from "../core/store.ts";
import type { SpentKey } from "../core/repeat-key.ts";
import { openStore } from "./store.ts";

let folder = "";
let opened: { close(): void }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-test-"));
});
afterEach(() => {
  for (const store of opened) store.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

function open(): ReturnType<typeof openStore> {
  const store = openStore(folder);
  opened.push(store);
  return store;
}

const file = (): string => join(folder, "deployer.db");
const K = { kind: "header", owner: "me", key: "k" } as const;
const ALONE: Acceptance = { superseded: [], keys: [], run: undefined };
const FAILED = outcomeOf("failed", { code: "docker" });
const DIAGNOSIS = diagnosisOf({ output: ["one", "two \u0000 é"] });

// The tests of the core rely on the store without a disk: it must behave as this one does.
describe.each<[string, () => Store]>([
  ["the store", open],
  ["the store without a disk", fakeStore],
])("%s", (_, make) => {
  test("gives a deployment back as it was, at every stage", () => {
    const store = make();
    const request = requestFor(["worker", "web"], { image: "web:v2", force: true });
    const first = accept("d1", request, "github-actions", 1_795_000_000_123);
    store.insert(first);
    expect(store.find("d1")).toEqual(first);
    const begun = begin(first, 1_795_000_000_124, new Map([["web", "sha256:1"]]));
    store.update(begun);
    expect(store.find("d1")).toEqual(begun);
    const outcome: Outcome = {
      status: "rolled_back",
      digests: new Map([["web", "sha256:2"]]),
      diagnoses: [DIAGNOSIS, { ...DIAGNOSIS, exitCode: undefined, signal: undefined, health: undefined }],
      reason: "why\n\"quotes\" 'and' ; -- é 😀 \u0000 end",
      code: "unhealthy",
      changed: false,
    };
    const counts = { requests: 3, failed: 0, retried: 0, held: 0, refused: 0, latency: undefined };
    const traffic = new Map<string, DeploymentTraffic>([
      ["web", counts],
      ["worker", { ...counts, sinceRestart: true }],
    ]);
    const ended = end(begun, outcome, 1_795_000_000_125, traffic);
    store.update(ended);
    expect(store.find("d1")).toEqual(ended);
  });

  test("gives a rollback back as it was, and what it found that it goes back to", () => {
    const store = make();
    const rollback = accept("d1", requestFor("web", { kind: "rollback" }), "me", 1);
    store.insert(rollback);
    expect(store.find("d1")).toEqual(rollback);
    const parts = [{ service: "web", image: "web:v1", digest: "sha256:1" }];
    store.update({ ...rollback, to: "d0", parts });
    expect(store.find("d1")).toEqual({ ...rollback, to: "d0", parts });
  });

  test("knows nothing of an id that nobody inserted", () => {
    const store = make();
    expect(store.find("nope")).toBeUndefined();
    expect(store.progress("nope")).toBeUndefined();
    expect(store.origin("nope")).toBeUndefined();
  });

  test("lists what is unfinished in the order it was inserted, whatever the clock said", () => {
    const store = make();
    store.insert(queued("late", 30));
    store.insert(begin(queued("early", 10), 11));
    store.insert(queued("middle-b", 20));
    store.insert(queued("middle-a", 20));
    store.insert(end(queued("over", 5), FAILED, 6));
    expect(store.unfinished().map(({ id }) => id)).toEqual(["late", "early", "middle-b", "middle-a"]);
    store.update(end(queued("early", 10), FAILED, 7));
    expect(store.unfinished().map(({ id }) => id)).toEqual(["late", "middle-b", "middle-a"]);
  });

  test("writes a deployment down together with those whose place it takes", () => {
    const store = make();
    store.insert(queued("d1"));
    const superseded = supersede(queued("d1"), "d2", 2);
    store.insert({ ...queued("d2", 2), force: true }, { ...ALONE, superseded: [superseded] });
    expect(store.find("d1")).toEqual(superseded);
    expect(store.find("d2")?.force).toBe(true);
    expect(store.unfinished().map(({ id }) => id)).toEqual(["d2"]);
  });

  test("may learn later that a deployment is forced", () => {
    const store = make();
    store.insert(queued("d1"));
    store.update({ ...queued("d1"), force: true });
    expect(store.find("d1")?.force).toBe(true);
  });

  test("remembers the key of an accepted request, each owner's own, until it expires", () => {
    const store = make();
    const key = { ...K, request: "POST /deploy 1", expiresAt: 100 };
    store.insert(queued("d1"), { ...ALONE, keys: [key] });
    store.insert(queued("d2"), { ...ALONE, keys: [{ ...key, owner: "you", request: "POST /deploy 2" }] });
    expect(store.spentKey(K, 99)).toEqual({ request: "POST /deploy 1", deployment: "d1" });
    expect(store.spentKey({ ...K, owner: "you" }, 99)).toEqual({
      request: "POST /deploy 2",
      deployment: "d2",
    });
    expect(store.spentKey({ ...K, key: "other" }, 99)).toBeUndefined();
    expect(store.spentKey(K, 100)).toBeUndefined();
  });

  test("keeps a key of a token apart from a caller's key of the same text", () => {
    const store = make();
    const key = { ...K, request: "POST /deploy 1", expiresAt: 100 };
    store.insert(queued("d1"), { ...ALONE, keys: [key, { ...key, kind: "token", expiresAt: 200 }] });
    store.insert(queued("d2"), ALONE);
    store.spendKeys([{ ...key, request: "POST /deploy 2" }], "d2");
    expect(store.spentKey(K, 1)).toEqual({ request: "POST /deploy 2", deployment: "d2" });
    for (const now of [1, 199])
      expect(store.spentKey({ ...K, kind: "token" }, now)).toEqual({
        request: "POST /deploy 1",
        deployment: "d1",
      });
  });

  test("forgets expired keys when the next deployment is accepted, with a key or without", () => {
    const store = make();
    const key = { ...K, request: "POST /deploy 1", expiresAt: 100 };
    store.insert(queued("d1"), { ...ALONE, keys: [key] });
    store.insert(queued("d2", 99), ALONE);
    expect(store.spentKey(K, 1)?.deployment).toBe("d1");
    store.insert(queued("d3", 100), ALONE);
    expect(store.spentKey(K, 1)).toBeUndefined();
  });

  test("has one guard for each workflow of a service, where it was moved last", () => {
    const store = make();
    const run = { workflow: "1/deploy.yml", number: 41, attempt: 2 };
    expect(store.guard("web", "1/deploy.yml")).toBeUndefined();
    store.insert(queued("d1"), { ...ALONE, run });
    store.insert(queued("d2"), { ...ALONE, run: { ...run, workflow: "1/other.yml", number: 1 } });
    store.insert(queued("d3", 1, ["api", "worker"]), { ...ALONE, run: { ...run, number: 7 } });
    expect(store.guard("web", "1/deploy.yml")).toEqual({ run, deployment: "d1" });
    store.insert(queued("d4"), { ...ALONE, run: { ...run, number: 42, attempt: 1 } });
    store.insert(queued("d5"), ALONE);
    expect(store.guard("web", "1/deploy.yml")).toEqual({
      run: { workflow: "1/deploy.yml", number: 42, attempt: 1 },
      deployment: "d4",
    });
    expect(store.guard("web", "1/other.yml")?.deployment).toBe("d2");
    expect(store.guard("api", "1/deploy.yml")?.run.number).toBe(7);
    expect(store.guard("worker", "1/deploy.yml")?.run.number).toBe(7);
  });

  test("moves each guard of a deployment forward only", () => {
    const store = make();
    const run = { workflow: "1/deploy.yml", number: 41, attempt: 2 };
    store.insert(queued("d1"), { ...ALONE, run });
    store.insert(queued("d2", 1, ["web", "api"]), { ...ALONE, run: { ...run, attempt: 1 } });
    expect(store.guards().map(({ service, deployment }) => [service, deployment])).toEqual([
      ["api", "d2"],
      ["web", "d1"],
    ]);
    store.insert(queued("d3"), { ...ALONE, run });
    expect(store.guard("web", "1/deploy.yml")).toEqual({ run, deployment: "d3" });
  });

  test("shows the guards of one service or of all, and forgets those of one", () => {
    const store = make();
    const run = { workflow: "1/deploy.yml", number: 41, attempt: 2 };
    store.insert(queued("d1", 1, ["web", "api"]), { ...ALONE, run });
    store.insert(queued("d2"), { ...ALONE, run: { ...run, workflow: "1/a.yml" } });
    const [other, web, api] = [
      { service: "web", run: { ...run, workflow: "1/a.yml" }, deployment: "d2" },
      { service: "web", run, deployment: "d1" },
      { service: "api", run, deployment: "d1" },
    ];
    expect(store.guards()).toEqual([api, other, web]);
    expect(store.guards("web")).toEqual([other, web]);
    expect(store.guards("nobody")).toEqual([]);
    expect(store.dropGuards("nobody")).toBe(0);
    expect(store.dropGuards("web")).toBe(2);
    expect(store.guards()).toEqual([api]);
    expect(store.guard("web", "1/deploy.yml")).toBeUndefined();
  });

  test("keeps how far a rollout has come until the deployment ends, or as long as a service is pinned to it", () => {
    const store = make();
    store.insert(queued("d1"));
    store.insert(queued("d2"));
    expect(store.progress("d1")).toBeUndefined();
    const network = { network: "n", networkId: "id of n", aliases: ["web"], address: "", settings: { a: 1 } };
    const known = progress({
      stage: "switching",
      doneBefore: ["d1.web.1"],
      diagnoses: [DIAGNOSIS],
      failure: { code: "rollout", message: "it exited" },
      plans: [
        planOf({
          candidates: [{ id: "b", networks: [network] }],
          strategy: "rolling",
          replicas: 2,
        }),
        planOf({
          service: "api",
          before: { running: ["a"], all: ["a", "c"], imageId: "i", recorded: "r" },
        }),
      ],
    });
    store.saveProgress("d1", { ...known, stage: "preparing" });
    store.saveProgress("d1", known);
    store.update(begin(queued("d1"), 2));
    expect(store.progress("d1")).toEqual(known);
    expect(store.progress("d2")).toBeUndefined();
    store.update(end(begin(queued("d1"), 2), FAILED, 3));
    expect(store.progress("d1")).toBeUndefined();

    store.insert(queued("d3"));
    store.saveProgress("d3", known);
    store.commit([commitOf("d3")]);
    store.update(end(begin(queued("d3"), 2), FAILED, 3));
    expect(store.progress("d3")).toEqual(known);
    store.commit([commitOf("d2")]);
    expect(store.progress("d3")).toBeUndefined();
  });

  test("remembers the last look and the project", () => {
    const store = make();
    expect(store.lastLook()).toBeUndefined();
    expect(store.projectName()).toBeUndefined();
    store.saveLook({ start: "boot 1", running: ["a"] });
    store.saveLook({ start: "boot 2", running: [] });
    store.saveProjectName("shop");
    expect(store.lastLook()).toEqual({ start: "boot 2", running: [] });
    expect(store.projectName()).toBe("shop");
  });

  test("hands out copies", () => {
    const store = make();
    store.saveLook({ start: "boot 1", running: ["a"] });
    store.lastLook()?.running.push("b");
    expect(store.lastLook()?.running).toEqual(["a"]);
  });
});

test("everything is still there after the daemon has started again", () => {
  const first = openStore(folder);
  const deployment = begin(queued("d1"), 2);
  first.insert(deployment);
  first.saveProgress("d1", progress({ plans: [planOf()] }));
  first.commit([commitOf("d1", { containers: ["c1"] })]);
  first.saveProjectName("shop");
  first.close();

  const store = open();
  expect(store.unfinished()).toEqual([deployment]);
  expect(store.progress("d1")).toEqual(progress({ plans: [planOf()] }));
  expect(store.pins()).toEqual([commitOf("d1").pin]);
  expect(store.versions("web")).toEqual([versionOf("d1")]);
  expect(store.origin("c1")?.recorded).toBe("abc");
  expect(store.projectName()).toBe("shop");
});

test("two deployments cannot have one id", () => {
  const store = open();
  store.insert(queued("d1"));
  expect(() => store.insert(queued("d1"))).toThrow("UNIQUE");
});

describe("an acceptance is one transaction:", () => {
  const key = { ...K, request: "POST /deploy 1", expiresAt: 100 };
  const run = { workflow: "1/deploy.yml", number: 41, attempt: 1 };

  test("a key that cannot be written takes everything else with it", () => {
    const store = open();
    store.insert(queued("d1"));
    const superseded = [supersede(queued("d1"), "d2", 2)];
    // @ts-expect-error a value that the table refuses
    const broken: SpentKey = { ...key, request: null };
    expect(() => store.insert(queued("d2"), { superseded, keys: [broken], run })).toThrow("NOT NULL");
    expect(store.find("d1")).toEqual(queued("d1"));
    expect(store.find("d2")).toBeUndefined();
    expect(store.guard("web", "1/deploy.yml")).toBeUndefined();
  });

  test("a guard that cannot be written takes everything else with it", () => {
    const store = open();
    store.insert(queued("d1"));
    const superseded = [supersede(queued("d1"), "d2", 2)];
    expect(() =>
      store.insert(queued("d2"), { superseded, keys: [key], run: { ...run, number: 1.5 } }),
    ).toThrow("INTEGER");
    expect(store.find("d1")).toEqual(queued("d1"));
    expect(store.find("d2")).toBeUndefined();
    expect(store.spentKey(K, 1)).toBeUndefined();
  });
});

test("somebody else may read while the daemon writes", () => {
  const store = open();
  store.insert(queued("d1"));
  const reader = new Database(file(), { readonly: true });
  const rows = reader.query<{ id: string }, []>("SELECT id FROM deployments ORDER BY id");
  reader.run("BEGIN");
  expect(rows.all()).toEqual([{ id: "d1" }]);
  store.insert(queued("d2"));
  expect(rows.all()).toEqual([{ id: "d1" }]);
  reader.run("COMMIT");
  expect(rows.all()).toEqual([{ id: "d1" }, { id: "d2" }]);
  reader.close();
});

test("check tells whether it can be written to", () => {
  const store = open();
  expect(() => store.check()).not.toThrow();
  const other = new Database(file());
  other.run("DROP TABLE facts");
  other.close();
  expect(() => store.check()).toThrow();
});

describe("a file that cannot be used is refused and left as it is:", () => {
  const refusal = (): unknown => {
    try {
      return openStore(folder).close();
    } catch (error) {
      return error;
    }
  };

  test("text", () => {
    writeFileSync(file(), "not a database, but long enough to look like one ".repeat(100));
    const before = readFileSync(file());
    expect(refusal()).toMatchObject({
      code: "config",
      message: `${file()} cannot be used: file is not a database; put a backup in its place, or move it away to start without history (services are adopted as they run)`,
    });
    expect(readFileSync(file())).toEqual(before);
  });

  /** A database with some pages, closed. */
  function filled(): void {
    const store = openStore(folder);
    for (let n = 0; n < 50; n += 1) store.insert({ ...queued(`d${n}`), reason: "long ".repeat(200) });
    store.close();
    const database = new Database(file());
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
  }

  test("one that was cut off", () => {
    filled();
    truncateSync(file(), readFileSync(file()).length - 10_000);
    const before = readFileSync(file());
    expect(refusal()).toMatchObject({ code: "config", message: expect.stringContaining("cannot be used") });
    expect(readFileSync(file())).toEqual(before);
  });

  test("one with a page of rubbish", () => {
    filled();
    const damaged = readFileSync(file());
    damaged.fill(0xa5, 4096 * 5, 4096 * 6);
    writeFileSync(file(), damaged);
    expect(refusal()).toMatchObject({ code: "config", message: expect.stringContaining("cannot be used") });
    expect(readFileSync(file())).toEqual(damaged);
  });

  test("one of a newer version", () => {
    openStore(folder).close();
    const newer = new Database(file());
    newer.run("PRAGMA user_version = 99");
    newer.close();
    expect(refusal()).toMatchObject({
      code: "config",
      message: expect.stringMatching(
        /was written by a newer deployer-service \(schema 99, this one knows \d+\)/,
      ),
    });
    const after = new Database(file());
    expect(after.query("PRAGMA user_version").get()).toEqual({ user_version: 99 });
    after.close();
  });

  test("a folder that is not there", () => {
    rmSync(folder, { recursive: true });
    expect(refusal()).toMatchObject({ code: "config" });
  });
});

const INSERT_FOR_EVER = `
  import { queued } from "${import.meta.dir}/../../test/fakes/deployment.ts";
  import { openStore } from "${import.meta.dir}/store.ts";
  const store = openStore(process.argv[1]);
  for (let n = 0; n < 100_000; n += 1) {
    store.insert(queued("d" + n, n));
    process.stdout.write(n + "\\n");
  }
`;

test("kill -9 in the middle of writing loses no row that was acknowledged", async () => {
  const child = Bun.spawn([process.execPath, "-e", INSERT_FOR_EVER, folder], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let printed = "";
  for await (const chunk of child.stdout) {
    printed += new TextDecoder().decode(chunk);
    if (printed.length > 1_000) child.kill("SIGKILL");
  }
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  const acknowledged = printed.split("\n").slice(0, -1);
  const store = open();
  expect(acknowledged.length).toBeGreaterThan(200);
  expect(acknowledged.filter((n) => store.find(`d${n}`) === undefined)).toEqual([]);
});
