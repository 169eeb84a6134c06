import { expect, test } from "bun:test";

import { fakeClock, never, START } from "../../test/fakes/clock.ts";
import { queued } from "../../test/fakes/deployment.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { LiveJournal } from "./journal.ts";

function scene() {
  const store = fakeStore();
  for (const id of ["d1", "d2"]) store.insert(queued(id));
  const log = fakeLog();
  const clock = fakeClock();
  const journal = new LiveJournal(store, clock, log);
  return { store, log, clock, journal };
}

test("an event is in the store when those who follow its deployment are woken, and nobody else is", () => {
  const { store, journal } = scene();
  const seen: string[] = [];
  journal.watch("d1", () => seen.push(`d1 has ${store.events("d1", 0, 10).length}`));
  journal.watch("d2", () => seen.push("d2"));
  journal.event("d1", "pulled", "info", "web:v2 is on this host");
  expect(seen).toEqual(["d1 has 1"]);
  expect(store.events("d1", 0, 10)).toEqual([
    { seq: 1, at: START, phase: "pulled", level: "info", text: "web:v2 is on this host" },
  ]);
});

const NONE = { downloadedBytes: 0, unpackedBytes: 0, totalBytes: 0, layers: 1, layersDone: 0 };

test("a pull is shown while it goes on, a few times a second, and kept nowhere", async () => {
  const { journal, store, clock } = scene();
  let woken = 0;
  journal.watch("d1", () => (woken += 1));
  for (let bytes = 1; bytes <= 100; bytes += 1) {
    journal.pulling("d1", "web:v2", { ...NONE, downloadedBytes: bytes });
    await clock.sleep(10, never());
  }
  expect(woken).toBe(4);
  expect(journal.pulls("d1")).toEqual([{ image: "web:v2", ...NONE, downloadedBytes: 76 }]);
  journal.pulling("d1", "db:v1", NONE);
  expect(journal.pulls("d1").map(({ image }) => image)).toEqual(["web:v2", "db:v1"]);
  expect(journal.pulls("d2")).toEqual([]);
  for (const image of ["web:v2", "db:v1"]) journal.pulling("d1", image, undefined);
  expect(journal.pulls("d1")).toEqual([]);
  expect(store.events("d1", 0, 10)).toEqual([]);
});

test("who has stopped watching is left alone, also when it stops twice", () => {
  const { journal } = scene();
  const seen: string[] = [];
  const stopFirst = journal.watch("d1", () => seen.push("first"));
  stopFirst();
  journal.watch("d1", () => seen.push("second"));
  stopFirst();
  journal.event("d1", "log", "info", "x");
  expect(seen).toEqual(["second"]);
});

test("a watcher may stop watching while it is woken", () => {
  const { journal } = scene();
  const seen: string[] = [];
  const stop = journal.watch("d1", () => {
    seen.push("first");
    stop();
  });
  journal.watch("d1", () => seen.push("second"));
  journal.event("d1", "log", "info", "x");
  journal.event("d1", "log", "info", "y");
  expect(seen).toEqual(["first", "second", "second"]);
});

test("the end of the journal wakes everybody once", () => {
  const { journal } = scene();
  const seen: string[] = [];
  for (const id of ["d1", "d2"]) journal.watch(id, () => seen.push(`${id} ${journal.isClosed}`));
  journal.close();
  expect(seen).toEqual(["d1 true", "d2 true"]);
});

test("an event that cannot be written down stops nothing, and the log says so", () => {
  const { journal, log } = scene();
  let woken = 0;
  journal.watch("unknown", () => (woken += 1));
  journal.event("unknown", "pulled", "info", "x");
  expect(log.lines).toMatchObject([
    {
      level: "warn",
      message: "an event could not be recorded",
      fields: { deployment: "unknown", phase: "pulled" },
    },
  ]);
  expect(woken).toBe(1);
});

test("a text that is too long is cut", () => {
  const { journal, store } = scene();
  journal.event("d1", "log", "info", "x".repeat(5_000));
  expect(store.events("d1", 0, 1)[0]?.text).toBe("x".repeat(2_000));
});

test.each([
  ["two\nlines", "two; lines"],
  ["\r\n a \r\n\r\n b \n", "a; b"],
  ["colour \u001b[31mred\u001b[0m\u0007 bell", "colour  [31mred [0m  bell"],
  ["é 😀", "é 😀"],
])("%j becomes one line", (text, line) => {
  const { journal, store } = scene();
  journal.event("d1", "log", "info", text);
  expect(store.events("d1", 0, 1)[0]?.text).toBe(line);
});
