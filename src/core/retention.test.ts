import { expect, test } from "bun:test";

import { fakeClock, START } from "../../test/fakes/clock.ts";
import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { end } from "./deployment.ts";
import { keepRetention } from "./retention.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

function scene() {
  const store = fakeStore();
  const add = (id: string, createdAt: number): void => {
    store.insert(end(queued(id, createdAt), outcomeOf("failed"), createdAt));
  };
  const ports = { store, clock: fakeClock(), log: fakeLog() };
  const stop = new AbortController();
  const left = () =>
    store
      .list({ service: undefined, status: undefined, readable: "all", before: undefined, limit: 100_000 })
      .map(({ id }) => id)
      .toReversed();
  return { ...ports, ports, add, stop, left };
}

test("at the start what is older than 90 days goes, in steps with a pause between", async () => {
  const { ports, add, stop, left, clock, store, log } = scene();
  for (let n = 0; n < 50; n += 1) add(`old-${n}`, START - 90 * DAY_MS - n);
  add("young", START - 90 * DAY_MS + HOUR_MS);
  const steps: [at: number, gone: number][] = [];
  const counting = {
    ...store,
    prune(limits: Parameters<typeof store.prune>[0]) {
      const gone = store.prune(limits);
      steps.push([clock.now() - START, gone]);
      return gone;
    },
  };
  clock.at(30_000, () => stop.abort());
  await keepRetention({ ...ports, store: counting }, stop.signal);
  expect(steps).toEqual([
    [50, 20],
    [100, 20],
    [150, 10],
    [200, 0],
  ]);
  expect(left()).toEqual(["young"]);
  expect(log.lines).toEqual([
    { level: "info", message: "old deployments forgotten", fields: { deployments: 50 } },
  ]);
});

test("and every hour what has become too old, and keys that have expired", async () => {
  const { ports, add, stop, left, clock, store } = scene();
  add("soon", START - 90 * DAY_MS + HOUR_MS);
  add("young", START);
  store.saveReadKey({ hash: "h", deployment: "young", output: true, expiresAt: START + HOUR_MS });
  clock.at(HOUR_MS - 1, () => {
    expect(left()).toEqual(["soon", "young"]);
    expect(store.readKey("h")).toBeDefined();
  });
  clock.at(2 * HOUR_MS + 1_000, () => stop.abort());
  await keepRetention(ports, stop.signal);
  expect(left()).toEqual(["young"]);
  expect(store.readKey("h")).toBeUndefined();
});

test("of more than 10,000 the newest stay", async () => {
  const { stop, clock, ports, store } = scene();
  const asked: Parameters<typeof store.prune>[0][] = [];
  const counting = {
    ...store,
    prune(limits: Parameters<typeof store.prune>[0]) {
      asked.push(limits);
      return 0;
    },
  };
  clock.at(1_000, () => stop.abort());
  await keepRetention({ ...ports, store: counting }, stop.signal);
  expect(asked).toEqual([{ createdBefore: START + 50 - 90 * DAY_MS, keep: 10_000, batch: 20 }]);
});

test("a store that fails is tried again an hour later, and the log says why", async () => {
  const { ports, add, stop, left, clock, store, log } = scene();
  add("old", 0);
  let calls = 0;
  const failing = {
    ...store,
    prune(limits: Parameters<typeof store.prune>[0]) {
      calls += 1;
      if (calls === 1) throw new Error("database is locked");
      return store.prune(limits);
    },
  };
  clock.at(HOUR_MS + 1_000, () => stop.abort());
  await keepRetention({ ...ports, store: failing }, stop.signal);
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ["error", "old deployments could not be forgotten"],
    ["info", "old deployments forgotten"],
  ]);
  expect(left()).toEqual([]);
});
