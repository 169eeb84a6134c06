import { expect, test } from "bun:test";

import { Queue } from "./queue.ts";

const never = new AbortController().signal;

test("a task alone waits for what is at work everywhere, and holds up what comes later", async () => {
  const queue = new Queue();
  queue.release();
  const began: string[] = [];
  const [web, db] = [enter(queue, began, "web"), enter(queue, began, "db")];
  const alone = task(began, "alone");
  const end = queue.alone(alone.run, never);
  enter(queue, began, "api");
  web();
  await settle();
  expect(began).toEqual(["web", "db"]);
  db();
  await settle();
  expect(began).toEqual(["web", "db", "alone"]);
  void queue.inTurn("cache", task(began, "upkeep").run);
  await settle();
  expect(began).toEqual(["web", "db", "alone"]);
  alone.resolve();
  expect(await end).toBe("alone");
  await settle();
  expect(began).toEqual(["web", "db", "alone", "upkeep", "api"]);
});

test("a task alone that is given up while it waits holds nothing up any more", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const gone = new AbortController();
  const given = queue.alone(task(began, "alone").run, gone.signal);
  gone.abort(new Error("gone"));
  await expect(given).rejects.toThrow("gone");
  await expect(queue.alone(task(began, "late").run, gone.signal)).rejects.toThrow("gone");
  enter(queue, began, "web");
  queue.release();
  await settle();
  expect(began).toEqual(["web"]);
});

test("a task alone waits for the release and then for the upkeep at work", async () => {
  const queue = new Queue();
  const began: string[] = [];
  void queue.alone(task(began, "alone").run, never);
  const upkeep = task(began, "upkeep");
  void queue.inTurn("web", upkeep.run);
  await settle();
  queue.release();
  await settle();
  expect(began).toEqual(["upkeep"]);
  upkeep.resolve();
  await settle();
  expect(began).toEqual(["upkeep", "alone"]);
});

/** A task that ends when told, and says when it began. */
function task(began: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<string>();
  return {
    resolve: () => resolve(name),
    run: () => {
      began.push(name);
      return promise;
    },
  };
}

/** Enters a deployment of a service that has its name, and gives how to end it. */
function enter(queue: Queue, began: string[], service: string): () => void {
  const { run, resolve } = task(began, service);
  queue.enter(service, [service], async () => void (await run()));
  return resolve;
}

/** Lets everything go on that can. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
