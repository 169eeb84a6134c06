import { expect, test } from "bun:test";

import { requestFor } from "../../test/fakes/deployment.ts";
import { decidedBy, Queue } from "./queue.ts";

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

/** Enters deployments that never end by themselves; those that began are in the list. */
function enter(queue: Queue, began: string[], id: string, ...services: string[]) {
  const { run, resolve } = task(began, id);
  queue.enter(id, services, async () => void (await run()));
  return resolve;
}

test("deployments wait for the release, upkeep does not", async () => {
  const queue = new Queue();
  const began: string[] = [];
  enter(queue, began, "d1", "web");
  void queue.inTurn("db", task(began, "upkeep").run);
  await settle();
  expect(began).toEqual(["upkeep"]);
  queue.release();
  await settle();
  expect(began).toEqual(["upkeep", "d1"]);
});

test("a waiting deployment holds up no upkeep of its service, and begins when all that has ended", async () => {
  const queue = new Queue();
  const began: string[] = [];
  enter(queue, began, "d1", "web");
  const upkeep = task(began, "upkeep");
  void queue.inTurn("web", upkeep.run);
  await settle();
  queue.release();
  const more = task(began, "more upkeep");
  void queue.inTurn("web", more.run);
  await settle();
  expect(began).toEqual(["upkeep"]);
  upkeep.resolve();
  await settle();
  expect(began).toEqual(["upkeep", "more upkeep"]);
  more.resolve();
  await settle();
  expect(began).toEqual(["upkeep", "more upkeep", "d1"]);
});

test("a newer deployment takes the place of the waiting one, not of the one at work", async () => {
  const queue = new Queue();
  queue.release();
  const began: string[] = [];
  const first = enter(queue, began, "d1", "web");
  expect(queue.coveredBy(["web"])).toEqual([]);
  enter(queue, began, "d2", "web");
  expect(queue.coveredBy(["web"])).toEqual(["d2"]);
  expect(queue.coveredBy(["db"])).toEqual([]);
  const upkeep = task(began, "upkeep");
  void queue.inTurn("web", upkeep.run);
  enter(queue, began, "d3", "web");
  first();
  await settle();
  expect(began).toEqual(["d1", "upkeep"]);
  upkeep.resolve();
  await settle();
  expect(began).toEqual(["d1", "upkeep", "d3"]);
});

test("a deployment of several services waits for all of them, and holds all of them up", async () => {
  const queue = new Queue();
  queue.release();
  const began: string[] = [];
  const [web, db] = [enter(queue, began, "web", "web"), enter(queue, began, "db", "db")];
  const both = enter(queue, began, "both", "web", "db");
  enter(queue, began, "web again", "web");
  enter(queue, began, "api", "api");
  web();
  await settle();
  expect(began).toEqual(["web", "db", "api"]);
  db();
  await settle();
  expect(began).toEqual(["web", "db", "api", "both"]);
  both();
  await settle();
  expect(began.at(-1)).toBe("web again");
});

test("only one that is for all its services takes a waiting one's place; it may take several", async () => {
  const queue = new Queue();
  const began: string[] = [];
  enter(queue, began, "both", "web", "db");
  expect(queue.coveredBy(["web"])).toEqual([]);
  enter(queue, began, "web", "web");
  enter(queue, began, "api", "api");
  enter(queue, began, "db", "db");
  expect(queue.coveredBy(["db", "web"])).toEqual(["both", "web", "db"]);
  enter(queue, began, "both again", "db", "web");
  expect(queue.coveredBy(["web", "db", "api"])).toEqual(["both again", "api"]);
  queue.release();
  await settle();
  expect(began).toEqual(["both again", "api"]);
});

test("one that goes back a step takes nobody's place, and loses its own", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const back = requestFor("web", { kind: "rollback" });
  const step = (id: string): void => {
    const run = async (): Promise<void> => void began.push(id);
    queue.enter(id, ["web"], run, decidedBy(back));
  };
  enter(queue, began, "d1", "web");
  expect(queue.coveredBy(decidedBy(back))).toEqual([]);
  step("r1");
  step("r2");
  expect(queue.coveredBy(decidedBy({ ...back, to: "d0" }))).toEqual(["d1", "r1", "r2"]);
  expect(queue.coveredBy(decidedBy(requestFor(["web", "api"])))).toEqual(["d1", "r1", "r2"]);
  for (let n = 0; n < 197; n += 1) enter(queue, [], `d${n + 10}`, `s${n}`);
  expect(() => queue.assertRoom(decidedBy(back))).toThrow("200 deployments are waiting");
  expect(() => queue.assertRoom(decidedBy({ ...back, to: "d0" }))).not.toThrow();
  queue.enter("r3", ["web"], async () => void began.push("r3"), ["web"]);
  queue.release();
  await settle();
  expect(began).toEqual(["r3"]);
});

test("upkeep that a deployment at work needs goes ahead of one that waits for that very deployment", async () => {
  const queue = new Queue();
  queue.release();
  const began: string[] = [];
  const web = task(began, "web");
  const needsDb = async (): Promise<void> => {
    await web.run();
    await queue.inTurn("db", async () => void began.push("db is started"));
  };
  queue.enter("web", ["web"], needsDb);
  enter(queue, began, "both", "web", "db");
  await settle();
  web.resolve();
  await settle();
  expect(began).toEqual(["web", "db is started", "both"]);
});

test("what the last run had begun is not superseded, and goes before what waited behind it", async () => {
  const queue = new Queue();
  const began: string[] = [];
  const left = task(began, "left");
  queue.enterAgain("left", ["web"], async () => void (await left.run()));
  enter(queue, began, "d1", "web");
  expect(queue.coveredBy(["web", "api"])).toEqual(["d1"]);
  enter(queue, began, "d2", "web", "api");
  queue.release();
  await settle();
  expect(began).toEqual(["left"]);
  left.resolve();
  await settle();
  expect(began).toEqual(["left", "d2"]);
});

test("a waiting deployment may leave, one at work cannot", async () => {
  const queue = new Queue();
  queue.release();
  const began: string[] = [];
  const first = enter(queue, began, "d1", "web");
  enter(queue, began, "d2", "web");
  expect([queue.leave("d1"), queue.leave("d2"), queue.leave("d2")]).toEqual([false, true, false]);
  first();
  await settle();
  expect(began).toEqual(["d1"]);
});

test("upkeep behind a deployment that leaves has its turn", async () => {
  const queue = new Queue();
  const began: string[] = [];
  enter(queue, began, "d1", "web");
  void queue.inTurn("web", task(began, "upkeep").run);
  queue.leave("d1");
  await settle();
  expect(began).toEqual(["upkeep"]);
});

test("when 200 wait there is no room for one more, unless it takes a place, and there is again when one begins", async () => {
  const queue = new Queue();
  for (let n = 0; n < 200; n += 1) {
    queue.assertRoom([`s${n}`]);
    enter(queue, [], `d${n}`, `s${n}`);
  }
  expect(() => queue.assertRoom(["web"])).toThrow(
    expect.objectContaining({
      code: "queue_full",
      message: "200 deployments are waiting already; try again in a minute",
    }),
  );
  expect(() => queue.assertRoom(["s7"])).not.toThrow();
  queue.release();
  expect(() => queue.assertRoom(["web"])).not.toThrow();
});

test("what waits only for its turn, without a caller, takes no room", async () => {
  const queue = new Queue();
  const hold = task([], "hold");
  void queue.inTurn("web", hold.run);
  for (let n = 0; n < 300; n += 1) void queue.inTurn("web", async () => n);
  await settle();
  expect(() => queue.assertRoom(["web"])).not.toThrow();
  hold.resolve();
});
