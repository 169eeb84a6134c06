import { expect, test } from "bun:test";

import { Queue } from "./queue.ts";

/** A task that ends when told, and says when it began. */
function task(began: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return {
    resolve: () => resolve(name),
    reject: () => reject(new Error(name)),
    run: () => {
      began.push(name);
      return promise;
    },
  };
}

/** Lets everything go on that can. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("tasks of one service run one at a time, first come first served", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const tasks = ["one", "two", "three"].map((name) => task(began, name));
  const ends = tasks.map(({ run }) => queue.inTurn("web", run));
  await settle();
  expect(began).toEqual(["one"]);
  tasks[0]?.resolve();
  await settle();
  expect(began).toEqual(["one", "two"]);
  tasks[1]?.resolve();
  tasks[2]?.resolve();
  expect(await Promise.all(ends)).toEqual(["one", "two", "three"]);
});

test("tasks of different services overlap", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const [web, db] = [task(began, "web"), task(began, "db")];
  const first = queue.inTurn("web", web.run);
  const second = queue.inTurn("db", db.run);
  await settle();
  expect(began).toEqual(["web", "db"]);
  db.resolve();
  expect(await second).toBe("db");
  web.resolve();
  await first;
});

test("a task that fails does not hold up the next", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const [bad, good] = [task(began, "bad"), task(began, "good")];
  const failing = queue.inTurn("web", bad.run);
  const next = queue.inTurn("web", good.run);
  bad.reject();
  good.resolve();
  await expect(failing).rejects.toThrow("bad");
  expect(await next).toBe("good");
});

test("a task that throws at once does not hold up the next", async () => {
  const queue = new Queue();
  const failing = queue.inTurn("web", () => {
    throw new Error("at once");
  });
  const next = queue.inTurn("web", async () => "good");
  await expect(failing).rejects.toThrow("at once");
  expect(await next).toBe("good");
});

test("a task may wait for its turn at another service", async () => {
  const queue = new Queue();
  const end = queue.inTurn("web", () => queue.inTurn("db", async () => "both"));
  expect(await end).toBe("both");
});

test("when 200 wait there is no room for one more, and there is again as soon as one begins", async () => {
  const queue = new Queue();
  const hold = task([], "hold");
  const ends = [queue.enter("web", hold.run)];
  await settle();
  for (let n = 0; n < 200; n += 1) {
    queue.assertRoom();
    ends.push(queue.enter("web", n === 0 ? task([], "next").run : async () => "rest"));
  }
  expect(() => queue.assertRoom()).toThrow(
    expect.objectContaining({
      code: "queue_full",
      message: "200 deployments are waiting already; try again in a minute",
    }),
  );
  hold.resolve();
  await settle();
  expect(() => queue.assertRoom()).not.toThrow();
});

test("what waits only for its turn, without a caller, takes no room", async () => {
  const queue = new Queue();
  const hold = task([], "hold");
  void queue.inTurn("web", hold.run);
  for (let n = 0; n < 300; n += 1) void queue.inTurn("web", async () => n);
  await settle();
  expect(() => queue.assertRoom()).not.toThrow();
  hold.resolve();
});
