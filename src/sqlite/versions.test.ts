import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { commitOf, planOf, progress, versionOf } from "../../test/fakes/commit.ts";
import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { end } from "../core/deployment.ts";
import type { Commit, Origin, Store } from "../core/store.ts";
import { openStore } from "./store.ts";

let folder = "";
let opened: { close(): void }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "versions-test-"));
});
afterEach(() => {
  for (const store of opened) store.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

function open(): Store {
  const store = openStore(folder);
  opened.push(store);
  return store;
}

const origin = (container: string, fields: Partial<Origin> = {}): Origin => ({
  container,
  service: "web",
  configHash: "hash",
  recorded: "abc",
  ...fields,
});

// As in store.test.ts: the tests of the core rely on the store without a disk.
describe.each<[string, () => Store]>([
  ["the store", open],
  ["the store without a disk", fakeStore],
])("%s", (_, make) => {
  function withDeployments(...ids: string[]): Store {
    const store = make();
    for (const id of ids) store.insert(queued(id));
    return store;
  }

  test("has one pin a service, the last committed, until it is dropped", () => {
    const store = withDeployments("d1", "d2", "d3");
    store.commit([commitOf("d1")]);
    store.commit([commitOf("d2", { service: "api" })]);
    store.commit([commitOf("d3", { digest: "sha256:3" })]);
    const api = commitOf("d2", { service: "api" }).pin;
    expect(store.pins()).toEqual([api, commitOf("d3", { digest: "sha256:3" }).pin]);
    store.dropPin("web");
    store.dropPin("web");
    expect(store.pins()).toEqual([api]);
  });

  test("commits several services at once, each with its version", () => {
    const store = withDeployments("d1");
    store.commit([commitOf("d1"), commitOf("d1", { service: "worker", containers: ["w1"] })]);
    expect(store.pins().map(({ service }) => service)).toEqual(["web", "worker"]);
    expect(store.versions("web")).toEqual([versionOf("d1")]);
    expect(store.versions("worker")).toEqual([versionOf("d1", { service: "worker" })]);
    expect(store.origin("w1")).toEqual(origin("w1", { service: "worker" }));
  });

  test("knows the versions of a service, the last committed first, whatever the clock said", () => {
    const store = withDeployments("d1", "d2", "d3");
    const versions = [versionOf("d1", { number: 1, committedAt: 9 }), versionOf("d2", { number: 2 })];
    for (const version of versions) store.commit([{ ...commitOf(version.deployment), version }]);
    store.commit([commitOf("d3", { service: "api" })]);
    expect(store.versions("web")).toEqual(versions.toReversed());
    expect(store.versions("nobody")).toEqual([]);
  });

  test("has a version once, where it was committed last", () => {
    const store = withDeployments("d1", "d2");
    for (const id of ["d1", "d2", "d1"]) store.commit([commitOf(id)]);
    expect(store.versions("web").map(({ deployment }) => deployment)).toEqual(["d1", "d2"]);
  });

  test("forgets a version of one service, not its pin, nor what others committed with it", () => {
    const store = withDeployments("d1", "d2");
    store.commit([commitOf("d1"), commitOf("d1", { service: "api" })]);
    store.commit([commitOf("d2")]);
    store.dropVersion({ service: "web", deployment: "d1" });
    store.dropVersion({ service: "web", deployment: "d1" });
    expect(store.versions("web")).toEqual([versionOf("d2")]);
    expect(store.versions("api")).toEqual([versionOf("d1", { service: "api" })]);
    store.dropVersion({ service: "web", deployment: "d2" });
    expect(store.pins().map(({ service }) => service)).toEqual(["api", "web"]);
  });

  test("remembers what containers were made from, of a service those of its last commit", () => {
    const store = withDeployments("d1");
    store.saveOrigins([origin("adopted"), origin("other", { service: "api" })]);
    expect(store.origin("adopted")).toEqual(origin("adopted"));
    store.commit([commitOf("d1", { containers: ["new-1", "new-2"] })]);
    expect(store.origin("adopted")).toBeUndefined();
    expect(store.origin("new-2")).toEqual(origin("new-2"));
    expect(store.origin("other")).toEqual(origin("other", { service: "api" }));
    store.saveOrigins([origin("new-2", { configHash: "another" })]);
    expect(store.origin("new-2")?.configHash).toBe("another");
  });

  test("knows the configurations that a pin, a version, a container or an unfinished deployment needs", () => {
    const store = withDeployments("d1", "d2", "d3", "d4");
    store.saveOrigins([origin("api-1", { service: "api", recorded: "of a container" })]);
    store.commit([commitOf("d4", { recorded: "of a version" })]);
    store.commit([commitOf("d1", { recorded: "of a pin" })]);
    store.dropVersion({ service: "web", deployment: "d1" });
    const planned = (before: string, recorded: string) =>
      planOf({
        before: { running: [], all: [], imageId: "", recorded: before },
        version: { ...planOf().version, recorded },
      });
    const plans = [planned("of what ran", "of what is to run"), planned("", "of another")];
    store.saveProgress("d2", progress({ plans }));
    store.saveProgress("d3", progress({ plans: [planned("of one that", "has ended")] }));
    store.update(end(queued("d3"), outcomeOf("failed"), 7));
    expect([...store.neededRecords()].toSorted()).toEqual([
      "of a container",
      "of a pin",
      "of a version",
      "of another",
      "of what is to run",
      "of what ran",
    ]);
  });
});

describe("a commit is one transaction:", () => {
  const isAsBefore = (store: Store): void => {
    expect(store.pins()).toEqual([commitOf("d1").pin]);
    expect(store.versions("web")).toEqual([versionOf("d1")]);
    expect(store.versions("api")).toEqual([]);
    expect(store.origin("c1")).toBeDefined();
    expect(store.origin("c2")).toBeUndefined();
  };

  test.each<[string, Commit, string]>([
    ["a pin of no deployment", commitOf("nope", { containers: ["c2"] }), "FOREIGN KEY"],
    // @ts-expect-error a value that the table refuses
    ["a version", { ...commitOf("d2"), version: versionOf("d2", { imageId: null }) }, "NOT NULL"],
    // @ts-expect-error a value that the table refuses
    ["an origin", { ...commitOf("d2"), origins: [origin("c2", { configHash: null })] }, "NOT NULL"],
  ])("%s that cannot be written takes all services with it", (_, broken, error) => {
    const store = open();
    for (const id of ["d1", "d2"]) store.insert(queued(id));
    store.commit([commitOf("d1", { containers: ["c1"] })]);
    expect(() => store.commit([commitOf("d2", { service: "api" }), broken])).toThrow(error);
    isAsBefore(store);
  });
});
