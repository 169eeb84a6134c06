import { expect, test } from "bun:test";

import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { begin, end } from "../core/deployment.ts";
import { CREATED_AT, fakeDaemon } from "./fake-daemon.ts";
import { follow, type News } from "./follow.ts";

const LONG_MS = 60_000;
const RUNNING = begin(queued("d1", CREATED_AT), CREATED_AT);
const NO_PULL = {
  image: "web:v2",
  downloadedBytes: 0,
  unpackedBytes: 0,
  totalBytes: 9,
  layers: 1,
  layersDone: 0,
};
const SUCCESS = outcomeOf("succeeded");
const ENDED = end(RUNNING, SUCCESS, CREATED_AT + 1);

function scene() {
  const fake = fakeDaemon();
  const gone = new AbortController();
  fake.change(RUNNING);
  const from = (after: number, heartbeatMs = LONG_MS) =>
    follow(fake.daemon, { id: "d1", after, showsPulls: true }, gone.signal, heartbeatMs);
  return { ...fake, gone, from };
}

function shown(news: News): unknown {
  if (news.kind === "events") return news.events.map(({ seq }) => seq);
  return news.kind;
}

async function rest(news: AsyncGenerator<News>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of news) all.push(shown(one));
  return all;
}

test("what has ended gives its events, then done, then ends", async () => {
  const { tell, change, from } = scene();
  tell("d1", "one");
  tell("d1", "two");
  change(ENDED);
  expect(await rest(from(0))).toEqual([[1, 2], "done"]);
  expect(await rest(from(1))).toEqual([[2], "done"]);
  expect(await rest(from(2))).toEqual(["done"]);
  expect(await rest(from(99))).toEqual(["done"]);
});

test("what goes on gives each event as it comes, without one twice or missed", async () => {
  const { tell, change, from } = scene();
  tell("d1", "one");
  const all = rest(from(0));
  for (let n = 0; n < 500; n += 1) {
    tell("d1", "more");
    if (n % 7 === 0) await Promise.resolve();
    if (n % 50 === 0) await Bun.sleep(1);
  }
  change(ENDED);
  const seen = (await all).flat();
  expect(seen).toEqual([...[...Array(501)].map((_, index) => index + 1), "done"]);
});

test("an event between two looks rings the bell for the next one", async () => {
  const { tell, from, gone } = scene();
  tell("d1", "one");
  const news = from(0);
  expect((await news.next()).value).toMatchObject({ kind: "events" });
  tell("d1", "two");
  expect((await news.next()).value).toMatchObject({ events: [{ seq: 2 }] });
  gone.abort();
  expect((await news.next()).done).toBe(true);
});

test("a pull is told, to who asks for that, as often as there is news of it, beside the events", async () => {
  const { daemon, tell, wake, change, gone } = scene();
  const begun = { ...NO_PULL, downloadedBytes: 1 };
  let pulls = [begun];
  const source = { ...daemon, pulls: () => pulls };
  const unasked = follow(source, { id: "d1", after: 0, showsPulls: false }, gone.signal, 30);
  expect((await unasked.next()).value).toEqual({ kind: "heartbeat" });
  const news = follow(source, { id: "d1", after: 0, showsPulls: true }, gone.signal, 30);
  expect((await news.next()).value).toEqual({ kind: "pull", pull: begun });
  expect((await news.next()).value).toEqual({ kind: "heartbeat" });
  tell("d1", "one");
  expect((await news.next()).value).toMatchObject({ kind: "events" });
  pulls = [{ ...NO_PULL, downloadedBytes: 2 }];
  wake();
  expect((await news.next()).value).toMatchObject({ kind: "pull", pull: { downloadedBytes: 2 } });
  pulls = [];
  change(ENDED);
  expect((await news.next()).value).toMatchObject({ kind: "done" });
});

test("a far behind reader gets page after page, each only when it has taken the one before", async () => {
  const { tell, from, daemon, gone } = scene();
  for (let n = 0; n < 250; n += 1) tell("d1", "event");
  const limits: number[] = [];
  const source = {
    ...daemon,
    events: (id: string, after: number, limit: number) => {
      limits.push(limit);
      return daemon.events(id, after, limit);
    },
  };
  const news = follow(source, { id: "d1", after: 0, showsPulls: true }, gone.signal, LONG_MS);
  await news.next();
  expect(limits).toEqual([100]);
  const second = await news.next();
  expect(second.value).toMatchObject({ events: { length: 100, 0: { seq: 101 } } });
  expect(limits).toEqual([100, 100]);
  await news.return();
  await from(0).return();
});

test("silence is a heartbeat", async () => {
  const { from, tell, change } = scene();
  const news = from(0, 10);
  expect((await news.next()).value).toEqual({ kind: "heartbeat" });
  expect((await news.next()).value).toEqual({ kind: "heartbeat" });
  tell("d1", "one");
  expect((await news.next()).value).toMatchObject({ kind: "events" });
  change(ENDED);
  expect((await news.next()).value).toMatchObject({ kind: "done", deployment: { status: "succeeded" } });
});

test("an end that nobody told of is found at the next heartbeat", async () => {
  const { from, deployments } = scene();
  const news = from(0, 20);
  const first = news.next();
  deployments.set("d1", ENDED);
  expect((await first).value).toEqual({ kind: "heartbeat" });
  expect((await news.next()).value).toMatchObject({ kind: "done" });
});

test("the daemon's stop ends it without done, after the events there are", async () => {
  const { from, tell, stopStreams } = scene();
  const all = rest(from(0));
  await Bun.sleep(1);
  tell("d1", "last");
  stopStreams();
  expect(await all).toEqual([[1]]);
});

for (const [name, finish] of [
  ["its end", (fake: ReturnType<typeof scene>) => fake.change(ENDED)],
  ["the reader's leaving", (fake: ReturnType<typeof scene>) => fake.gone.abort()],
  ["the stop", (fake: ReturnType<typeof scene>) => fake.stopStreams()],
  [
    "forgetting the deployment",
    (fake: ReturnType<typeof scene>) => (fake.deployments.clear(), fake.tell("d1", "x")),
  ],
] as const) {
  test(`${name} leaves nobody watching`, async () => {
    const fake = scene();
    const all = rest(fake.from(1));
    await Bun.sleep(1);
    expect(fake.calls).toEqual(["watch d1"]);
    finish(fake);
    await all;
    expect(fake.calls).toEqual(["watch d1", "unwatch d1"]);
  });
}
