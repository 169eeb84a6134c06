import { expect, test } from "bun:test";

import { EDGE } from "../../test/fakes/edge.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { bringUp } from "./bring-up.ts";
import { restart } from "./restart.ts";

const never = new AbortController().signal;

test("each container is restarted once, the same one, and has come up before the next", async () => {
  const world = fakeWorld([service("web", { replicas: 2 })]);
  const [first, second] = [world.add("web"), world.add("web")];
  let upWhenSecond: string[] = [];
  world.before(`restart ${second.id}`, () => {
    upWhenSecond = world.ps();
  });
  const before = world.ps();
  expect(await restart("web", world, never)).toEqual({ containers: [first.id, second.id], problems: [] });
  expect(world.calls.filter((call) => /^(restart|stop|create|remove)/.test(call))).toEqual([
    `restart ${first.id}`,
    `restart ${second.id}`,
  ]);
  expect(upWhenSecond).toEqual(before);
  expect(world.ps()).toEqual(before);
});

test("a service that is stopped is started again, its leftovers are not", async () => {
  const world = fakeWorld([service("web")]);
  const [old, last] = [world.add("web"), world.add("web")];
  for (const { id } of [old, last]) world.stopByHand(id);
  Object.assign(old, { startedAt: "2026-11-01T00:00:00.000Z" });
  Object.assign(last, { startedAt: "2026-11-02T00:00:00.000Z" });
  expect((await restart("web", world, never)).containers).toEqual([last.id]);
  expect(world.ps().filter((line) => line.includes(" running "))).toHaveLength(1);
});

test("a container that does not come up is an error with what serves then, and the others are let be", async () => {
  const world = fakeWorld([service("web", { replicas: 2 })]);
  const [first, second] = [world.add("web"), world.add("web")];
  world.lives.set("web:v1", { exits: { after: 1000, code: 3 } });
  const failing = restart("web", world, never);
  await expect(failing).rejects.toMatchObject({ code: "rollout" });
  await expect(failing).rejects.toThrow(/exited with code 3\nwhat serves now: /);
  expect(world.calls).toContain(`restart ${first.id}`);
  expect(world.calls).not.toContain(`restart ${second.id}`);
});

test("an unknown service, and one without a container, are refused", async () => {
  const world = fakeWorld([service("web")]);
  await expect(restart("wbe", world, never)).rejects.toMatchObject({ code: "not_found" });
  await expect(restart("web", world, never)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining('"up"'),
  });
});

test("it waits for its turn", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web");
  const busy = Promise.withResolvers<void>();
  const deployment = world.queue.inTurn("web", () => busy.promise);
  const restarting = restart("web", world, never);
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.calls).toEqual([]);
  busy.resolve();
  await deployment;
  expect((await restarting).containers).toHaveLength(1);
});

test("what lives in its namespaces is made anew afterwards", async () => {
  const world = fakeWorld([service("web"), service("sidecar", { sharesWith: ["web"] })]);
  const web = world.add("web");
  world.add("sidecar");
  await restart("web", world, never);
  const changes = world.calls.filter((call) => /^(restart|recreate)/.test(call));
  expect(changes).toEqual([`restart ${web.id}`, expect.stringMatching(/^recreate sidecar/)]);
});

test("behind the edge requests go to the others meanwhile, and wait where there is none", async () => {
  const routed = settings({ port: 3000, routes: [{ host: undefined, path: "/" }] });
  for (const [replicas, meanwhile] of [
    [1, ["hold web 30000 2000", "drained web web-1", "restart web-1", "release web"]],
    [
      2,
      [
        "direct web to web-2:3000",
        "drained web web-1",
        "restart web-1",
        "direct web to web-1:3000 web-2:3000",
        "direct web to web-1:3000",
        "drained web web-2",
        "restart web-2",
        "direct web to web-1:3000 web-2:3000",
      ],
    ],
  ] as const) {
    const world = fakeWorld([service("web", { replicas, settings: routed })], EDGE);
    for (let n = 0; n < replicas; n += 1) world.add("web");
    await bringUp(new Set(), world, never);
    world.calls.length = 0;
    await restart("web", world, never);
    expect(world.calls.filter((call) => /^(hold|drained|restart|release|direct)/.test(call))).toEqual([
      ...meanwhile,
    ]);
  }
});
