import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { accept } from "./deployment.ts";
import { Queue } from "./queue.ts";
import type { DeployRequest } from "./request.ts";
import { Worker } from "./worker.ts";

const SECOND = 1_000;
const DAY = 24 * 60 * 60 * SECOND;
const KEY = { kind: "header", owner: "ci", key: "k1", request: "POST /deploy 1", goodUntil: 0 } as const;

/** A worker of its own with ids of its own: `a1`, `a2`, … for the name `a`. */
function workerIn(world: World, ready: Promise<void> = Promise.resolve(), name = "d"): Worker {
  let last = 0;
  return new Worker(world, world.queue, ready, () => `${name}${(last += 1)}`);
}

/** What the next start of the daemon makes of the store. */
function restarted(world: World): Worker {
  const queue = new Queue();
  const again = { ...world, queue, inTurn: queue.inTurn };
  return workerIn(again, Promise.resolve(), "r");
}

function shop(): World {
  const world = fakeWorld([service("web"), service("api")]);
  world.add("web");
  world.add("api");
  return world;
}

const asking = (name: string, image?: string, fields: Partial<DeployRequest> = {}): DeployRequest => ({
  ...requestFor(name, image === undefined ? {} : { image }),
  ...fields,
});
const web = (image?: string, fields?: Partial<DeployRequest>): DeployRequest => asking("web", image, fields);
const started = (world: World): unknown[] =>
  world.log.lines
    .filter(({ message }) => message === "deployment started")
    .map(({ fields }) => fields["deployment"]);

describe("a waiting deployment", () => {
  test("is superseded by a newer one, and those who wait for it learn by which", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v3"), "me");
    const waiting = worker.ended("d2", never());
    await worker.submit(web("web:v4"), "me");
    const superseded = {
      status: "superseded",
      supersededBy: "d3",
      code: "superseded",
      reason: "superseded by d3",
      changed: false,
      startedAt: undefined,
    };
    expect(await waiting).toMatchObject(superseded);
    expect(world.store.find("d2")).toMatchObject(superseded);
    expect(await worker.ended("d2", never())).toMatchObject(superseded);
    expect(await worker.ended("d3", never())).toMatchObject({ status: "succeeded" });
    expect(started(world)).toEqual(["d1", "d3"]);
    expect(world.ps()).toContain("web-3 running web:v4");
    expect(world.log.lines).toContainEqual({
      level: "info",
      message: "deployment ended",
      fields: expect.objectContaining({ deployment: "d2", status: "superseded", reason: "superseded by d3" }),
    });
  });

  test("is not superseded by one of another service", async () => {
    const world = shop();
    const worker = workerIn(world);
    for (const image of ["web:v2", "web:v3"]) await worker.submit(web(image), "me");
    for (const image of ["api:v2", "api:v3"]) await worker.submit(asking("api", image), "me");
    for (const id of ["d1", "d2", "d3", "d4"])
      expect(await worker.ended(id, never())).toMatchObject({ status: "succeeded" });
  });

  test("is superseded by one that looks the compose file's image up, whoever asks", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v3"), "me");
    await worker.submit(web(), "you");
    expect(await worker.ended("d2", never())).toMatchObject({ supersededBy: "d3" });
    expect(await worker.ended("d3", never())).toMatchObject({ status: "succeeded" });
    expect(world.ps()).toContain("web-3 running web:v1");
  });

  test("leaves its force to the one that takes its place", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v2", { force: true }), "me");
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v2"), "me");
    expect(world.store.find("d4")?.force).toBe(true);
    expect(await worker.ended("d4", never())).toMatchObject({ status: "succeeded", changed: true });
  });

  test("stays as it is when the newer one is refused or cannot be written down", async () => {
    const world = shop();
    let isFull = false;
    const store = {
      ...world.store,
      insert(...args: Parameters<typeof world.store.insert>) {
        if (isFull) throw new Error("disk full");
        world.store.insert(...args);
      },
    };
    const worker = workerIn({ ...world, store });
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v3"), "me");
    await expect(worker.submit(web("evil:v1"), "me")).rejects.toMatchObject({ code: "not_deployable" });
    isFull = true;
    await expect(worker.submit(web("web:v4"), "me")).rejects.toThrow("disk full");
    expect(await worker.ended("d2", never())).toMatchObject({ status: "succeeded" });
  });

  test("is queued, not running, while the daemon recovers, and can be superseded", async () => {
    const world = shop();
    const ready = Promise.withResolvers<void>();
    const worker = workerIn(world, ready.promise);
    await worker.submit(web("web:v2"), "me");
    await worker.submit(web("web:v3"), "me");
    expect(world.store.find("d1")).toMatchObject({ status: "superseded", supersededBy: "d2" });
    expect(world.store.find("d2")?.status).toBe("queued");
    ready.resolve();
    expect(await worker.ended("d2", never())).toMatchObject({ status: "succeeded" });
  });
});

test("20 requests within a second for one service are two rollouts at most, each told the truth", async () => {
  const world = shop();
  const worker = workerIn(world);
  for (let n = 1; n <= 20; n += 1) await worker.submit(web(`web:v${n + 1}`), "me");
  const ends = await Promise.all(Array.from({ length: 20 }, (_, n) => worker.ended(`d${n + 1}`, never())));
  expect(started(world)).toEqual(["d1", "d20"]);
  expect(ends.map(({ supersededBy }) => supersededBy)).toEqual([
    undefined,
    ...Array.from({ length: 18 }, (_, n) => `d${n + 3}`),
    undefined,
  ]);
  expect(world.ps()).toContain("web-3 running web:v21");
});

describe("what waits when the daemon ends", () => {
  test("runs after the next start, once, those who ask are told how it ended", async () => {
    const world = shop();
    const first = workerIn(world);
    await first.submit(web("web:v2"), "me");
    await first.submit(web("web:v3"), "me");
    await first.stop();
    const worker = restarted(world);
    expect(await worker.ended("d2", never())).toMatchObject({ status: "succeeded" });
    expect(started(world)).toEqual(["d1", "d2"]);
    expect(world.ps()).toContain("web-3 running web:v3");
    await worker.stop();
    await restarted(world).stop();
    expect(started(world)).toEqual(["d1", "d2"]);
  });

  test("runs in the order it was accepted, after the recovery, with no limit on how long that takes", async () => {
    const world = shop();
    for (const [id, name] of [
      ["b", "web"],
      ["a", "api"],
    ] as const)
      world.store.insert(accept(id, asking(name, `${name}:v2`), "me", 1));
    const ready = Promise.withResolvers<void>();
    const worker = workerIn(world, ready.promise);
    world.clock.at(300 * SECOND, ready.resolve);
    expect(await worker.ended("b", never())).toMatchObject({ status: "succeeded" });
    expect(await worker.ended("a", never())).toMatchObject({ status: "succeeded" });
    expect(started(world)).toEqual(["b", "a"]);
  });

  test("is superseded by what was accepted after it, before the end or after the start", async () => {
    const world = shop();
    for (const [id, force] of [
      ["d1", false],
      ["d2", true],
      ["d3", false],
    ] as const)
      world.store.insert(accept(id, web(`web:${id}`, { force }), "me", 1));
    const worker = workerIn(world, new Promise(() => undefined), "r");
    expect(world.store.find("d1")).toMatchObject({ status: "superseded", supersededBy: "d2" });
    expect(world.store.find("d2")).toMatchObject({ status: "superseded", supersededBy: "d3" });
    expect(world.store.find("d3")).toMatchObject({ status: "queued", force: true });
    await worker.submit(web("web:v9"), "me");
    expect(await worker.ended("d3", never())).toMatchObject({ supersededBy: "r1" });
    await worker.stop();
  });

  test("does not keep the recovery from a turn at its service", async () => {
    const world = shop();
    world.store.insert(accept("d1", web("web:v2"), "me", 1));
    const ready = Promise.withResolvers<void>();
    const worker = workerIn(world, ready.promise);
    await world.inTurn("web", async () => ready.resolve());
    expect(await worker.ended("d1", never())).toMatchObject({ status: "succeeded" });
  });

  test("fails truthfully when its service has left the compose file", async () => {
    const world = shop();
    world.store.insert(accept("d1", web("web:v2"), "me", 1));
    world.file.delete("web");
    expect(await restarted(world).ended("d1", never())).toMatchObject({
      status: "failed",
      code: "not_found",
    });
  });

  test("waits on through a second stop before the recovery is over", async () => {
    const world = shop();
    world.store.insert(accept("d1", web("web:v2"), "me", 1));
    await workerIn(world, new Promise(() => undefined)).stop();
    expect(world.store.find("d1")?.status).toBe("queued");
    expect(await restarted(world).ended("d1", never())).toMatchObject({ status: "succeeded" });
  });
});

describe("a request with a key", () => {
  test("that is sent again is the same deployment and starts nothing, then and after its end", async () => {
    const world = shop();
    const worker = workerIn(world);
    const first = await worker.submit(web("web:v2"), "me", [KEY]);
    expect(await worker.submit(web("web:v2"), "me", [KEY])).toMatchObject({ id: first.id });
    const end = await worker.ended(first.id, never());
    expect(await worker.submit(web("web:v2"), "me", [KEY])).toEqual(end);
    expect(started(world)).toEqual(["d1"]);
  });

  test("that is sent twice at once is one deployment", async () => {
    const world = shop();
    const worker = workerIn(world);
    const both = await Promise.all([1, 2].map(() => worker.submit(web("web:v2"), "me", [KEY])));
    expect(both.map(({ id }) => id)).toEqual(["d1", "d1"]);
    await worker.ended("d1", never());
    expect(started(world)).toEqual(["d1"]);
  });

  test("is known after a restart, when the file cannot be read, and while the daemon stops", async () => {
    const world = shop();
    const first = workerIn(world);
    await first.submit(web("web:v2"), "me", [KEY]);
    await first.stop();
    expect(await first.submit(web("web:v2"), "me", [KEY])).toMatchObject({ id: "d1", status: "succeeded" });
    const broken = { ...world.compose, project: () => Promise.reject(new Error("line 3")) };
    const worker = workerIn({ ...world, compose: broken });
    expect(await worker.submit(web("web:v2"), "me", [KEY])).toMatchObject({ id: "d1", status: "succeeded" });
    expect(started(world)).toEqual(["d1"]);
  });

  test("that is another one is refused, and says which deployment the key stands for", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v2"), "me", [KEY]);
    await expect(
      worker.submit(web("web:v3"), "me", [{ ...KEY, request: "POST /deploy 2" }]),
    ).rejects.toMatchObject({
      code: "conflict",
      message:
        "this Idempotency-Key was used for another request, deployment d1; every request needs a key of its own",
    });
  });

  test("of another owner is another one", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v2"), "me", [KEY]);
    expect((await worker.submit(web("web:v2"), "me", [{ ...KEY, owner: "you" }])).id).toBe("d2");
  });

  test("that was refused spends none", async () => {
    const worker = workerIn(shop());
    await expect(worker.submit(web("evil:v1"), "me", [KEY])).rejects.toMatchObject({
      code: "not_deployable",
    });
    expect((await worker.submit(web("web:v2"), "me", [KEY])).id).toBe("d1");
  });

  test("is remembered for 24 hours", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [KEY]);
    await worker.ended("d1", never());
    const age = (): number => world.clock.now() - (world.store.find("d1")?.createdAt ?? 0);
    await world.clock.sleep(DAY - 1 - age());
    expect((await worker.submit(web("web:v2"), "me", [KEY])).id).toBe("d1");
    await world.clock.sleep(1);
    expect((await worker.submit(web("web:v2"), "me", [KEY])).id).toBe("d2");
  });
});

describe("a request with a token that is good once", () => {
  const HOUR = DAY / 24;
  const token = (world: World, goodFor = HOUR) =>
    ({ ...KEY, kind: "token", owner: "", key: "t1", goodUntil: world.clock.now() + goodFor }) as const;

  test("is the same deployment again, and 50 of it at once are one", async () => {
    const world = shop();
    const worker = workerIn(world);
    const key = token(world);
    const all = await Promise.all(
      Array.from({ length: 50 }, () => worker.submit(web("web:v2"), "me", [key])),
    );
    expect(new Set(all.map(({ id }) => id))).toEqual(new Set(["d1"]));
    await worker.ended("d1", never());
    expect(started(world)).toEqual(["d1"]);
  });

  test("is the same one by whatever name its issuer goes now", async () => {
    const world = shop();
    const worker = workerIn(world);
    const key = token(world);
    await worker.submit(web("web:v2"), "github-actions", [key]);
    expect((await worker.submit(web("web:v2"), "ci", [key])).id).toBe("d1");
  });

  test("that asks for something else is refused", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [token(world)]);
    const other = { ...token(world), request: "POST /rollback 1" };
    await expect(worker.submit(web("web:v2"), "me", [other])).rejects.toMatchObject({
      code: "conflict",
      message:
        "this token was used for another request, deployment d1; every request needs a token of its own",
    });
  });

  test("is no Idempotency-Key of the same text", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [token(world)]);
    const header = { ...token(world), kind: "header", owner: "ci", goodUntil: 0 } as const;
    expect((await worker.submit(web("web:v2"), "me", [header])).id).toBe("d2");
  });

  test("is remembered a minute longer than it is good, and a day at least", async () => {
    for (const [goodFor, remembered] of [
      [HOUR, DAY],
      [3 * DAY + 0.5, 3 * DAY + 60_001],
    ] as const) {
      const world = shop();
      const worker = workerIn(world);
      const key = token(world, goodFor);
      const begin = world.clock.now();
      await worker.submit(web("web:v2"), "me", [key]);
      await worker.ended("d1", never());
      await world.clock.sleep(begin + remembered - 1 - world.clock.now());
      expect((await worker.submit(web("web:v2"), "me", [key])).id).toBe("d1");
      await world.clock.sleep(1);
      expect((await worker.submit(web("web:v2"), "me", [key])).id).toBe("d2");
    }
  });

  test("starts nothing when its deployment is forgotten", async () => {
    const world = shop();
    const worker = workerIn(world);
    world.fail("pull web:v2");
    await worker.submit(web("web:v2"), "me", [token(world)]);
    await worker.ended("d1", never());
    expect(world.store.prune({ createdBefore: world.clock.now() + 1, keep: 9, batch: 9 })).toBe(1);
    await expect(worker.submit(web("web:v2"), "me", [token(world)])).rejects.toMatchObject({
      code: "conflict",
      message:
        "this token was used for deployment d1, which is no longer recorded; every request needs a token of its own",
    });
  });

  test("spends no Idempotency-Key that somebody has added to a captured one", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [token(world)]);
    expect((await worker.submit(web("web:v2"), "me", [token(world), KEY])).id).toBe("d1");
    expect((await worker.submit(web("web:v2"), "me", [KEY])).id).toBe("d2");
  });

  test("is spent with the Idempotency-Key that decides: without that key it starts nothing either", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [{ ...token(world), key: "t0" }, KEY]);
    expect((await worker.submit(web("web:v2"), "me", [token(world), KEY])).id).toBe("d1");
    expect((await worker.submit(web("web:v2"), "me", [token(world)])).id).toBe("d1");
    expect((await worker.submit(web("web:v2"), "me", [{ ...token(world), key: "t0" }])).id).toBe("d1");
  });

  test("is not spent by a request that was refused", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v2"), "me", [KEY]);
    const other = "POST /deploy 2";
    await expect(
      worker.submit(web("web:v3"), "me", [
        { ...token(world), request: other },
        { ...KEY, request: other },
      ]),
    ).rejects.toMatchObject({ code: "conflict" });
    await expect(worker.submit(web("evil:v1"), "me", [token(world)])).rejects.toMatchObject({
      code: "not_deployable",
    });
    expect((await worker.submit(web("web:v3"), "me", [{ ...token(world), request: other }])).id).toBe("d2");
  });
});

describe("the order guard", () => {
  const run = (number: number, attempt = 1, workflow = "1/deploy.yml") => ({ workflow, number, attempt });
  const older = {
    code: "superseded",
    message: 'superseded by d1\nrun 40 is older than 41; use rollback or "force": true',
  };

  test("refuses a run older than the newest accepted one, while that waits or runs and afterwards", async () => {
    const world = shop();
    const worker = workerIn(world);
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    const late = (): Promise<unknown> => worker.submit(web("web:v40", { run: run(40) }), "me");
    await expect(late()).rejects.toMatchObject(older);
    await worker.ended("d1", never());
    await expect(late()).rejects.toMatchObject(older);
    expect(world.store.unfinished()).toEqual([]);
  });

  test("outlives a restart", async () => {
    const world = shop();
    const first = workerIn(world);
    await first.submit(web("web:v41", { run: run(41) }), "me");
    await first.stop();
    await expect(restarted(world).submit(web("web:v40", { run: run(40) }), "me")).rejects.toMatchObject(
      older,
    );
  });

  test("counts what was accepted, though it failed", async () => {
    const world = shop();
    world.fail("pull web:v41");
    const worker = workerIn(world);
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    expect((await worker.ended("d1", never())).status).toBe("failed");
    await expect(worker.submit(web("web:v40", { run: run(40) }), "me")).rejects.toMatchObject(older);
    expect((await worker.submit(web("web:v41", { run: run(41) }), "me")).id).toBe("d2");
  });

  test("does not count what was refused", async () => {
    const worker = workerIn(shop());
    await expect(worker.submit(web("evil:v41", { run: run(41) }), "me")).rejects.toThrow("repository");
    expect((await worker.submit(web("web:v40", { run: run(40) }), "me")).id).toBe("d1");
  });

  test("compares within one workflow and one service only, and not with requests without a run", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    await worker.submit(web("web:v1", { run: run(1, 1, "1/nightly.yml") }), "me");
    await worker.submit(asking("api", "api:v1", { run: run(1) }), "me");
    expect((await worker.submit(web("web:v2"), "me")).id).toBe("d4");
  });

  test("lets a forced older run pass and stays where it is", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    expect((await worker.submit(web("web:v39", { run: run(39), force: true }), "me")).id).toBe("d2");
    await expect(worker.submit(web("web:v40", { run: run(40) }), "me")).rejects.toMatchObject(older);
  });

  test("is not passed by force that a waiting deployment would leave", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    await worker.submit(web("web:v42", { force: true }), "me");
    await expect(worker.submit(web("web:v40", { run: run(40) }), "me")).rejects.toMatchObject(older);
  });

  test("is asked after the key: a repetition of what has become old is what it was", async () => {
    const worker = workerIn(shop());
    await worker.submit(web("web:v40", { run: run(40) }), "me", [KEY]);
    await worker.submit(web("web:v41", { run: run(41) }), "me");
    expect((await worker.submit(web("web:v40", { run: run(40) }), "me", [KEY])).id).toBe("d1");
  });
});
