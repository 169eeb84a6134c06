import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeStore } from "../../test/fakes/store.ts";
import { accept, begin, type Deployment, end, supersede } from "../core/deployment.ts";
import type { Acceptance, Origin, Pin, Store } from "../core/store.ts";
import type { SpentKey } from "../core/repeat.ts";
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
const queued = (id: string, now = 1): Deployment =>
  accept(id, { service: "web", image: undefined, force: false }, "me", now);
const ALONE: Acceptance = { superseded: [], key: undefined, run: undefined };
const pin = (deployment: string, fields: Partial<Pin> = {}): Pin => ({
  service: "web",
  imageText: "web:v1@sha256:1",
  fileImage: "web:v1",
  digest: "sha256:1",
  recorded: "abc",
  deployment,
  ...fields,
});
const origin = (container: string, fields: Partial<Origin> = {}): Origin => ({
  container,
  service: "web",
  configHash: "hash",
  recorded: "abc",
  ...fields,
});

// The tests of the core rely on the store without a disk: it must behave as this one does.
describe.each<[string, () => Store]>([
  ["the store", open],
  ["the store without a disk", fakeStore],
])("%s", (_, make) => {
  test("gives a deployment back as it was, at every stage", () => {
    const store = make();
    const first = accept(
      "d1",
      { service: "web", image: "web:v2", force: true },
      "github-actions",
      1_795_000_000_123,
    );
    store.insert(first);
    expect(store.find("d1")).toEqual(first);
    const begun = begin(first, 1_795_000_000_124);
    store.update(begun);
    expect(store.find("d1")).toEqual(begun);
    const reason = "why\n\"quotes\" 'and' ; -- é 😀 \u0000 end";
    const ended = end(
      begun,
      { status: "rolled_back", digest: "sha256:2", reason, code: "rollout", changed: false },
      1_795_000_000_125,
    );
    store.update(ended);
    expect(store.find("d1")).toEqual(ended);
  });

  test("knows nothing of an id that nobody inserted", () => {
    const store = make();
    expect(store.find("nope")).toBeUndefined();
    expect(store.before("nope")).toBeUndefined();
    expect(store.origin("nope")).toBeUndefined();
  });

  test("lists what is unfinished in the order it was inserted, whatever the clock said", () => {
    const store = make();
    store.insert(queued("late", 30));
    store.insert(begin(queued("early", 10), 11));
    store.insert(queued("middle-b", 20));
    store.insert(queued("middle-a", 20));
    store.insert(
      end(
        queued("over", 5),
        { status: "failed", digest: undefined, reason: "", code: "docker", changed: false },
        6,
      ),
    );
    expect(store.unfinished().map(({ id }) => id)).toEqual(["late", "early", "middle-b", "middle-a"]);
    store.update(
      end(
        queued("early", 10),
        { status: "failed", digest: undefined, reason: "", code: "docker", changed: false },
        7,
      ),
    );
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

  test("remembers the key of an accepted request, each issuer's own, until it expires", () => {
    const store = make();
    const key = { issuer: "me", key: "k", request: "POST /deploy 1", expiresAt: 100 };
    store.insert(queued("d1"), { ...ALONE, key });
    store.insert(queued("d2"), { ...ALONE, key: { ...key, issuer: "you", request: "POST /deploy 2" } });
    expect(store.spentKey("me", "k", 99)).toEqual({ request: "POST /deploy 1", deployment: "d1" });
    expect(store.spentKey("you", "k", 99)).toEqual({ request: "POST /deploy 2", deployment: "d2" });
    expect(store.spentKey("me", "other", 99)).toBeUndefined();
    expect(store.spentKey("me", "k", 100)).toBeUndefined();
  });

  test("forgets expired keys when the next deployment is accepted, with a key or without", () => {
    const store = make();
    const key = { issuer: "me", key: "k", request: "POST /deploy 1", expiresAt: 100 };
    store.insert(queued("d1"), { ...ALONE, key });
    store.insert(queued("d2", 99), ALONE);
    expect(store.spentKey("me", "k", 1)?.deployment).toBe("d1");
    store.insert(queued("d3", 100), ALONE);
    expect(store.spentKey("me", "k", 1)).toBeUndefined();
  });

  test("has one guard for each workflow of a service, where it was moved last", () => {
    const store = make();
    const run = { workflow: "1/deploy.yml", number: 41, attempt: 2 };
    expect(store.guard("web", "1/deploy.yml")).toBeUndefined();
    store.insert(queued("d1"), { ...ALONE, run });
    store.insert(queued("d2"), { ...ALONE, run: { ...run, workflow: "1/other.yml", number: 1 } });
    store.insert({ ...queued("d3"), service: "api" }, { ...ALONE, run: { ...run, number: 7 } });
    expect(store.guard("web", "1/deploy.yml")).toEqual({ run, deployment: "d1" });
    store.insert(queued("d4"), { ...ALONE, run: { ...run, number: 42, attempt: 1 } });
    store.insert(queued("d5"), ALONE);
    expect(store.guard("web", "1/deploy.yml")).toEqual({
      run: { workflow: "1/deploy.yml", number: 42, attempt: 1 },
      deployment: "d4",
    });
    expect(store.guard("web", "1/other.yml")?.deployment).toBe("d2");
    expect(store.guard("api", "1/deploy.yml")?.run.number).toBe(7);
  });

  test("keeps what ran before a deployment, also when the deployment goes on", () => {
    const store = make();
    store.insert(queued("d1"));
    expect(store.before("d1")).toBeUndefined();
    const before = { running: ["a"], all: ["a", "b"], recorded: "abc" };
    store.saveBefore("d1", before);
    store.update(begin(queued("d1"), 2));
    expect(store.before("d1")).toEqual(before);
  });

  test("has one pin a service, the last committed, until it is dropped", () => {
    const store = make();
    for (const id of ["d1", "d2", "d3"]) store.insert(queued(id));
    store.commit(pin("d1"), []);
    store.commit(pin("d2", { service: "api" }), []);
    store.commit(pin("d3", { digest: "sha256:3" }), []);
    expect(store.pins()).toEqual([pin("d2", { service: "api" }), pin("d3", { digest: "sha256:3" })]);
    store.dropPin("web");
    store.dropPin("web");
    expect(store.pins()).toEqual([pin("d2", { service: "api" })]);
  });

  test("remembers what containers were made from, of a service those of its last commit", () => {
    const store = make();
    store.insert(queued("d1"));
    store.saveOrigins([origin("adopted"), origin("other", { service: "api" })]);
    expect(store.origin("adopted")).toEqual(origin("adopted"));
    store.commit(pin("d1"), [origin("new-1"), origin("new-2")]);
    expect(store.origin("adopted")).toBeUndefined();
    expect(store.origin("new-2")).toEqual(origin("new-2"));
    expect(store.origin("other")).toEqual(origin("other", { service: "api" }));
    store.saveOrigins([origin("new-2", { configHash: "another" })]);
    expect(store.origin("new-2")?.configHash).toBe("another");
  });

  test("knows the configurations that a pin, a container or an unfinished deployment needs", () => {
    const store = make();
    for (const id of ["d1", "d2", "d3"]) store.insert(queued(id));
    store.saveOrigins([origin("api-1", { service: "api", recorded: "of a container" })]);
    store.commit(pin("d1", { recorded: "of a pin" }), []);
    store.saveBefore("d2", { running: [], all: [], recorded: "of an unfinished one" });
    store.saveBefore("d3", { running: [], all: [], recorded: "of one that has ended" });
    const failed = {
      status: "failed",
      digest: undefined,
      reason: "",
      code: "docker",
      changed: false,
    } as const;
    store.update(end(queued("d3"), failed, 7));
    expect([...store.neededRecords()].toSorted()).toEqual([
      "of a container",
      "of a pin",
      "of an unfinished one",
    ]);
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
  first.saveBefore("d1", { running: ["a"], all: ["a"], recorded: "abc" });
  first.commit(pin("d1"), [origin("c1")]);
  first.saveProjectName("shop");
  first.close();

  const store = open();
  expect(store.unfinished()).toEqual([deployment]);
  expect(store.before("d1")?.all).toEqual(["a"]);
  expect(store.pins()).toEqual([pin("d1")]);
  expect(store.origin("c1")).toEqual(origin("c1"));
  expect(store.projectName()).toBe("shop");
});

test("two deployments cannot have one id", () => {
  const store = open();
  store.insert(queued("d1"));
  expect(() => store.insert(queued("d1"))).toThrow("UNIQUE");
});

describe("an acceptance is one transaction:", () => {
  const key = { issuer: "me", key: "k", request: "POST /deploy 1", expiresAt: 100 };
  const run = { workflow: "1/deploy.yml", number: 41, attempt: 1 };

  test("a key that cannot be written takes everything else with it", () => {
    const store = open();
    store.insert(queued("d1"));
    const superseded = [supersede(queued("d1"), "d2", 2)];
    // @ts-expect-error a value that the table refuses
    const broken: SpentKey = { ...key, request: null };
    expect(() => store.insert(queued("d2"), { superseded, key: broken, run })).toThrow("NOT NULL");
    expect(store.find("d1")).toEqual(queued("d1"));
    expect(store.find("d2")).toBeUndefined();
    expect(store.guard("web", "1/deploy.yml")).toBeUndefined();
  });

  test("a guard that cannot be written takes everything else with it", () => {
    const store = open();
    store.insert(queued("d1"));
    const superseded = [supersede(queued("d1"), "d2", 2)];
    expect(() => store.insert(queued("d2"), { superseded, key, run: { ...run, number: 1.5 } })).toThrow(
      "INTEGER",
    );
    expect(store.find("d1")).toEqual(queued("d1"));
    expect(store.find("d2")).toBeUndefined();
    expect(store.spentKey("me", "k", 1)).toBeUndefined();
  });
});

describe("a commit is one transaction:", () => {
  test("a pin that cannot be written takes its origins with it", () => {
    const store = open();
    store.insert(queued("d1"));
    store.commit(pin("d1"), [origin("c1")]);
    expect(() => store.commit(pin("no such deployment"), [origin("c2")])).toThrow("FOREIGN KEY");
    expect(store.pins()).toEqual([pin("d1")]);
    expect(store.origin("c1")).toEqual(origin("c1"));
    expect(store.origin("c2")).toBeUndefined();
  });

  test("an origin that cannot be written takes the pin with it", () => {
    const store = open();
    store.insert(queued("d1"));
    store.insert(queued("d2"));
    store.commit(pin("d1"), [origin("c1")]);
    // @ts-expect-error a value that the table refuses
    const broken = origin("c2", { configHash: null });
    expect(() => store.commit(pin("d2"), [broken])).toThrow("NOT NULL");
    expect(store.pins()).toEqual([pin("d1")]);
    expect(store.origin("c1")).toEqual(origin("c1"));
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
  import { accept } from "${import.meta.dir}/../core/deployment.ts";
  import { openStore } from "${import.meta.dir}/store.ts";
  const store = openStore(process.argv[1]);
  for (let n = 0; n < 100_000; n += 1) {
    store.insert(accept("d" + n, { service: "web", image: undefined, force: false }, "me", n));
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
