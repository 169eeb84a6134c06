import { expect, test } from "bun:test";

import { Queue } from "./queue.ts";

/** Deployments by their names, each of which ends when told. */
function line() {
  const queue = new Queue();
  const began: string[] = [];
  const ends = new Map<string, () => void>();
  queue.release();
  return {
    began,
    enter: (id: string, ...services: string[]): void => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.set(id, resolve);
      queue.enter(id, services, async () => {
        began.push(id);
        await promise;
      });
    },
    end: async (...ids: string[]): Promise<void> => {
      for (const id of ids) ends.get(id)?.();
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a newer deployment does not overtake one that stays and is for one of its services too", async () => {
  const { began, enter, end } = line();
  enter("at work on web", "web");
  enter("at work on cron", "cron");
  await end();
  enter("old web", "web");
  enter("worker and cron", "worker", "cron");
  // It covers "old web" and not the other: worker would end with what "worker and cron" wants of it.
  enter("web and worker", "web", "worker");
  await end("at work on web");
  expect(began).toEqual(["at work on web", "at work on cron"]);
  await end("at work on cron");
  expect(began.slice(2)).toEqual(["worker and cron"]);
  await end("worker and cron");
  expect(began.slice(2)).toEqual(["worker and cron", "web and worker"]);
});

test("one that has nothing to do with those between takes the place of what it covers", async () => {
  const { began, enter, end } = line();
  enter("at work", "web", "cron");
  await end();
  enter("old web", "web");
  enter("cron", "cron");
  enter("web and cron and db", "web", "cron", "db");
  await end("at work");
  expect(began).toEqual(["at work", "web and cron and db"]);
});
