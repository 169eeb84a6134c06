import { expect, test } from "bun:test";

import { fakeClock, START } from "../../test/fakes/clock.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import type { Rejection } from "../core/rejection.ts";
import { Refusals } from "./refusals.ts";

const BURST = 100;
const OF_ALL = 200;
const MOST_HELD = 512;
const CAUSE = "token signature is invalid";
const MORE = "more refused requests, counted only";
const REJECTION = {
  remote: "192.0.2.7",
  method: "POST",
  path: "/deploy",
  code: "unauthorized",
  cause: CAUSE,
  verified: false,
  claims: undefined,
} as const;

function world() {
  const batches: Rejection[][] = [];
  const log = fakeLog();
  const clock = fakeClock();
  const store = { addRejections: (batch: readonly Rejection[]) => void batches.push([...batch]) };
  return { batches, log, clock, store, refusals: new Refusals({ store, clock, log }) };
}

function judgeOne(refusals: Refusals, remote: string, verified = false) {
  return refusals.judge({ remote, cause: CAUSE, verified });
}

function judge(refusals: Refusals, remote: string, times: number) {
  return Array.from({ length: times }, () => judgeOne(refusals, remote));
}

test("a hundred of an address are listed and answered at once, what comes beyond is counted and slowed", () => {
  const { refusals } = world();
  const verdicts = judge(refusals, "192.0.2.7", BURST + 50);
  for (const [n, verdict] of verdicts.entries())
    expect([n, verdict]).toEqual([n, { isListed: n < BURST, isFlood: n >= BURST }]);
  expect(judge(refusals, "192.0.2.8", 1)).toEqual([{ isListed: true, isFlood: false }]);
});

test("a flood from very many addresses is counted too, and nobody in it slowed", () => {
  const { refusals } = world();
  const verdicts = Array.from({ length: 1_000 }, (_, n) => judgeOne(refusals, `10.0.${n >> 8}.${n & 255}`));
  expect(verdicts.filter(({ isListed }) => isListed)).toHaveLength(OF_ALL);
  expect(verdicts.filter(({ isFlood }) => isFlood)).toEqual([]);
});

test("a flood of bad tokens hides none of good ones, from its own address or from others; they have a bound of their own", () => {
  const { refusals } = world();
  for (let n = 0; n < 1_000; n += 1) judgeOne(refusals, `10.0.${n >> 8}.${n & 255}`);
  judge(refusals, "192.0.2.7", BURST + 50);
  const verified = Array.from({ length: BURST + 1 }, () => judgeOne(refusals, "192.0.2.7", true));
  expect(verified.slice(0, BURST).every(({ isListed }) => isListed)).toBe(true);
  expect(verified.at(-1)).toEqual({ isListed: false, isFlood: true });
});

test("addresses of one IPv6 network are one", () => {
  const { refusals } = world();
  for (let n = 0; n < BURST; n += 1) judgeOne(refusals, `2001:db8::${n}`);
  expect(judgeOne(refusals, "2001:db8::ffff")).toEqual({ isListed: false, isFlood: true });
  expect(judgeOne(refusals, "2001:db8:0:1::1")).toEqual({ isListed: true, isFlood: false });
});

test("what is listed is written a second later, all of it at once, and how many were counted before", async () => {
  const { refusals, batches, clock } = world();
  judge(refusals, "192.0.2.7", BURST + 7);
  refusals.list(REJECTION);
  refusals.list({ ...REJECTION, path: "/rollback" });
  expect(batches).toEqual([]);
  await clock.sleep(1_001);
  expect(batches).toEqual([
    [
      { ...REJECTION, at: START, unlisted: 7 },
      { ...REJECTION, at: START, path: "/rollback", unlisted: 0 },
    ],
  ]);
});

test("what is counted is one line a second, for as long as it lasts", async () => {
  const { refusals, log, clock } = world();
  for (let second = 0; second < 3; second += 1) {
    judge(refusals, "192.0.2.7", 5_000);
    await clock.sleep(1_001);
  }
  await clock.sleep(10_000);
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual(
    Array.from({ length: 3 }, () => `warn ${MORE}`),
  );
  expect(log.lines[0]?.fields).toEqual({ requests: 4_900, addresses: 1, causes: { [CAUSE]: 4_900 } });
});

test("a store that cannot be written to costs the records and a line, nothing else", async () => {
  const { log, clock } = world();
  const addRejections = () => {
    throw new Error("disk full");
  };
  const refusals = new Refusals({ store: { addRejections }, clock, log });
  refusals.list(REJECTION);
  refusals.list(REJECTION);
  refusals.write();
  refusals.write();
  expect(log.lines).toMatchObject([{ level: "warn", fields: { requests: 2 } }]);
});

test("an answer is held half a second; so many are and no more, until one of them has gone", async () => {
  const { refusals, clock } = world();
  let released = 0;
  const held = Array.from({ length: MOST_HELD }, () => refusals.hold().then(() => (released += 1)));
  await refusals.hold();
  expect([released, clock.now()]).toEqual([0, START]);
  await Promise.all(held);
  expect(clock.now()).toBe(START + 500);
  await refusals.hold();
  expect(clock.now()).toBe(START + 1_000);
});

test("what was refused until the end is written, and nothing after it", async () => {
  const { refusals, batches, clock } = world();
  refusals.list(REJECTION);
  refusals.close();
  refusals.list({ ...REJECTION, path: "/late" });
  await clock.sleep(5_000);
  expect(batches).toEqual([[{ ...REJECTION, at: START, unlisted: 0 }]]);
});
