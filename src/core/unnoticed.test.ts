import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { DeployerError } from "./errors.ts";
import type { Settings } from "./settings.ts";
import { unnoticed } from "./unnoticed.ts";

const ROUTES = [{ host: undefined, path: "/" }];

/** `web`, with a route unless the fields say otherwise, and what the edge was told of since. */
async function shop(replicas: number, fields: Partial<Settings> = {}): Promise<World> {
  const web = settings({ port: 3000, routes: ROUTES, ...fields });
  const world = fakeWorld([service("web", { replicas, settings: web })], EDGE);
  for (let n = 0; n < replicas; n += 1) world.add("web");
  await bringUp(new Set(), world, never());
  world.calls.length = 0;
  return world;
}

async function work(world: World, what: () => Promise<void>): Promise<void> {
  const project = await world.compose.project();
  const web = project.services.get("web");
  if (web === undefined) throw new Error("no web");
  await unnoticed("web-1", project, web, world, what);
}

const restart = (world: World) => () => world.engine.restart("web-1");

test("what is not behind the edge is simply done", async () => {
  const world = await shop(1, { routes: [] });
  await work(world, restart(world));
  expect(world.calls).toEqual(["restart web-1"]);
});

test("what the only container has begun may take half of the time that others wait, or drain if that is less", async () => {
  for (const [holdMs, drainMs, waited] of [
    [30_000, 60_000, 15_000],
    [30_000, 5_000, 5_000],
  ] as const) {
    const world = await shop(1, { holdMs, drainMs });
    const waits: number[] = [];
    world.edge.drained = async (_service, _containers, withinMs) => {
      waits.push(withinMs);
      return 0;
    };
    await work(world, restart(world));
    expect(waits).toEqual([waited]);
  }
});

test("with hold: 0 nobody waits", async () => {
  const world = await shop(1, { holdMs: 0 });
  await work(world, restart(world));
  expect(world.calls).toEqual(["restart web-1"]);
});

test("work that fails: its error is told, nobody waits any more, and requests stay with the others", async () => {
  for (const replicas of [1, 2]) {
    const world = await shop(replicas);
    world.fail("restart web-1");
    await expect(work(world, restart(world))).rejects.toThrow("Docker says no");
    expect(await world.edge.release("web")).toEqual({ held: 0, refused: 0 });
    const serving = world.edge.direction("web").serving.map(({ container }) => container);
    expect(serving).toEqual(replicas === 1 ? ["web-1"] : ["web-2"]);
  }
});

test("an edge that cannot take requests away: nothing is done to the container", async () => {
  for (const [replicas, move] of [
    [1, "hold web 30000 2000"],
    [2, "direct web to web-2:3000"],
  ] as const) {
    const world = await shop(replicas);
    world.before(move, () => {
      throw new DeployerError("edge", "the edge does not answer");
    });
    await expect(work(world, restart(world))).rejects.toThrow("the edge does not answer");
    expect(world.calls).not.toContain("restart web-1");
  }
});

test("one of the others that cannot be reached keeps nobody from the rest", async () => {
  const world = await shop(3);
  world.stopByHand("web-3");
  await work(world, restart(world));
  expect(world.calls).toContain("restart web-1");
  expect(world.edge.direction("web").serving).toEqual([
    { container: "web-1", port: 3000 },
    { container: "web-2", port: 3000 },
  ]);
});

test("the only one that can be reached is not touched", async () => {
  const world = await shop(2);
  world.stopByHand("web-2");
  await expect(work(world, restart(world))).rejects.toThrow("the edge cannot reach web-2");
  expect(world.calls).not.toContain("restart web-1");
  expect(world.edge.direction("web").serving).toContainEqual({ container: "web-1", port: 3000 });
});
