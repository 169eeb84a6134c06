import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { requestFor, running } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import { accept, begin, end } from "./deployment.ts";
import { Queue } from "./queue.ts";
import { Worker } from "./worker.ts";

/** `web:v1` runs, and a daemon was killed in its deployment `d1` of `web:v2`, at this call. */
async function killedAt(call: string): Promise<World> {
  const world = fakeWorld([service("web"), service("api")]);
  world.add("web");
  world.add("api");
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  await world.killedAt(call, (ports) => deploy(deployment, ports, never()));
  return world;
}

/** The next start of the daemon: what it accepts has ids `r1`, `r2`, … */
function restarted(world: World, ready: Promise<void> = Promise.resolve()): Worker {
  let last = 0;
  const queue = new Queue();
  const again = { ...world, queue, inTurn: queue.inTurn };
  return new Worker(again, queue, ready, () => `r${(last += 1)}`);
}

const web = (image: string) => requestFor("web", { image });
const serving = (world: World): string[] => world.ps().filter((line) => line.startsWith("web"));

describe("a deployment that was begun when the daemon was killed", () => {
  test("goes on, and whoever waits for it again learns its end", async () => {
    const world = await killedAt("start web-2");
    const ended = await restarted(world).ended("d1", never());
    expect(ended).toMatchObject({ status: "succeeded", attempts: 2, startedAt: running("web").startedAt });
    expect(world.store.find("d1")).toEqual(ended);
    expect(serving(world)).toEqual(["web-2 running web:v2"]);
  });

  test("waits for Docker, without a limit, and is running meanwhile", async () => {
    const world = await killedAt("start web-2");
    const ready = Promise.withResolvers<void>();
    const worker = restarted(world, ready.promise);
    world.clock.at(300_000, () => {
      expect(world.calls).toEqual([]);
      expect(world.store.find("d1")?.status).toBe("running");
      ready.resolve();
    });
    expect(await worker.ended("d1", never())).toMatchObject({ status: "succeeded" });
  });

  test("is superseded by nothing: a newer one of its service waits for its end", async () => {
    const world = await killedAt("start web-2");
    const ready = Promise.withResolvers<void>();
    const worker = restarted(world, ready.promise);
    await worker.submit(web("web:v3"), "me");
    await worker.submit(web("web:v4"), "me");
    expect(world.store.find("r1")).toMatchObject({ status: "superseded", supersededBy: "r2" });
    ready.resolve();
    const [first, newest] = await Promise.all(["d1", "r2"].map((id) => worker.ended(id, never())));
    expect([first?.status, newest?.status]).toEqual(["succeeded", "succeeded"]);
    expect(newest?.startedAt).toBeGreaterThanOrEqual(first?.endedAt ?? Infinity);
    expect(serving(world)).toEqual([expect.stringContaining("running web:v4")]);
  });

  test("goes before what waited behind it in the last run", async () => {
    const world = await killedAt("pull web:v2");
    world.store.insert(accept("d2", web("web:v3"), "me", 2));
    const worker = restarted(world);
    const ends = await Promise.all(["d1", "d2"].map((id) => worker.ended(id, never())));
    expect(ends.map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
    expect(serving(world)).toEqual([expect.stringContaining("running web:v3")]);
  });

  test("holds up no other service", async () => {
    const world = await killedAt("start web-2");
    const worker = restarted(world);
    const { id } = await worker.submit(requestFor("api", { image: "api:v2" }), "me");
    const [first, other] = await Promise.all(["d1", id].map((each) => worker.ended(each, never())));
    expect(other?.startedAt).toBeLessThan(first?.endedAt ?? 0);
  });

  test("is interrupted again by a stop before Docker answers, and goes on at the start after that", async () => {
    const world = await killedAt("start web-2");
    const worker = restarted(world, new Promise(() => undefined));
    const waiting = worker.ended("d1", never());
    await worker.stop();
    await expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
    expect(world.store.find("d1")).toMatchObject({ status: "running", attempts: 1 });
    expect(await restarted(world).ended("d1", never())).toMatchObject({ status: "succeeded" });
  });

  test("may be one of several, each goes on", async () => {
    const world = await killedAt("start web-2");
    const api = running("api", { id: "d2", image: "api:v2" });
    world.store.insert(api);
    await world.killedAt("stop api-1", (ports) => deploy(api, ports, never()));
    const worker = restarted(world);
    const ends = await Promise.all(["d1", "d2"].map((id) => worker.ended(id, never())));
    expect(ends.map(({ status }) => status)).toEqual(["succeeded", "succeeded"]);
    expect(world.ps().toSorted()).toEqual(["api-2 running api:v2", "web-2 running web:v2"]);
  });
});

test("what has ended is left alone", async () => {
  const world = fakeWorld([service("web")]);
  const outcome = {
    status: "rolled_back",
    digests: new Map(),
    diagnoses: [],
    reason: "why",
    code: "rollout",
    changed: false,
  } as const;
  const ended = end(running("web"), outcome, 5);
  world.store.insert(ended);
  const worker = restarted(world);
  await worker.stop();
  expect(world.store.find("d1")).toEqual(ended);
  expect(world.calls).toEqual([]);
});

test("each attempt is counted on disk before it does anything", async () => {
  const world = await killedAt("pull web:v2");
  for (const attempts of [2, 3]) {
    const left = world.store.find("d1") ?? running("web");
    expect(begin(left, 9)).toMatchObject({ attempts, startedAt: left.startedAt });
    await world.killedAt("pull web:v2", async (ports) => {
      const queue = new Queue();
      const again = { ...ports, inTurn: queue.inTurn };
      await new Worker(again, queue, Promise.resolve(), () => "r1").ended("d1", never());
    });
    expect(world.store.find("d1")?.attempts).toBe(attempts);
  }
  expect(await restarted(world).ended("d1", never())).toMatchObject({
    status: "failed",
    code: "interrupted",
    attempts: 4,
    reason: expect.stringContaining("it was begun 3 times, and the daemon stopped each time"),
  });
  expect(serving(world)).toEqual(["web-1 running web:v1"]);
});
