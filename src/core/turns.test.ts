import { expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import type { Dependency } from "./compose.ts";
import { Worker } from "./worker.ts";

const MINUTE = 60_000;
const on = (name: string): Dependency => ({ service: name, condition: "service_started", required: true });

/** `a` needs `c`, which needs `b`; none has a container. */
function chain(): World {
  return fakeWorld([
    service("a", { dependsOn: [on("c")] }),
    service("b"),
    service("c", { dependsOn: [on("b")] }),
  ]);
}

function workerIn(world: World): Worker {
  let last = 0;
  return new Worker(world, world.queue, Promise.resolve(), () => `d${(last += 1)}`);
}

test("of two deployments that need a service of the other, one gives up and the other goes on", async () => {
  const world = chain();
  const worker = workerIn(world);
  await worker.submit(requestFor(["a", "b"]), "me");
  await worker.submit(requestFor("c"), "me");
  const [first, second] = await Promise.all(["d1", "d2"].map((id) => worker.ended(id, never())));
  expect(first).toMatchObject({ status: "succeeded", endedAt: START + 10 * MINUTE + 6_000 });
  expect(second).toMatchObject({
    status: "failed",
    changed: false,
    endedAt: START + 10 * MINUTE,
    reason: expect.stringContaining(
      'dependency "b" is not up, and something else was at work on it for 10 minutes: another deployment?',
    ),
  });
  await worker.submit(requestFor("c"), "me");
  expect(await worker.ended("d3", never())).toMatchObject({ status: "succeeded" });
  expect(
    world
      .ps()
      .map((line) => line.split(" ").slice(1).join(" "))
      .toSorted(),
  ).toEqual(["running a:v1", "running b:v1", "running c:v1"]);
});

test("a stop of the daemon does not wait for them", async () => {
  const world = chain();
  const worker = workerIn(world);
  await worker.submit(requestFor(["a", "b"]), "me");
  await worker.submit(requestFor("c"), "me");
  world.clock.at(MINUTE, () => void worker.stop());
  const ends = await Promise.all(["d1", "d2"].map((id) => worker.ended(id, never())));
  expect(ends.map(({ status, code }) => [status, code])).toEqual([
    ["failed", "interrupted"],
    ["failed", "interrupted"],
  ]);
});

test("a turn that comes after it was given up starts nothing", async () => {
  const world = chain();
  const worker = workerIn(world);
  const hold = Promise.withResolvers<void>();
  void world.inTurn("c", () => hold.promise);
  await worker.submit(requestFor("a"), "me");
  expect(await worker.ended("d1", never())).toMatchObject({ status: "failed", code: "rollout" });
  hold.resolve();
  await world.inTurn("c", async () => undefined);
  expect(world.ps()).toEqual(["b-1 running b:v1"]);
});

test("what brings services up and a deployment do not hold each other up for ever", async () => {
  const world = chain();
  world.fail("pull b:v1", "the registry is away");
  const worker = workerIn(world);
  world.before("pull c:v1", async () => {
    world.before("pull b:v1", () => undefined);
    await worker.submit(requestFor(["a", "b"]), "me");
  });
  const failures = await bringUp(new Set(), world, never());
  expect(await worker.ended("d1", never())).toMatchObject({ status: "succeeded" });
  expect([...failures.keys()]).toEqual(["b", "c"]);
});
