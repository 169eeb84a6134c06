import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { FollowRunning } from "./follow-running.ts";

async function shop(): Promise<World> {
  const routes = [{ host: "shop.example.com", path: "/" }];
  const world = fakeWorld([service("web", { settings: settings({ port: 3000, routes }) })], EDGE);
  world.add("web");
  await bringUp(new Set(), world, never());
  world.calls.length = 0;
  return world;
}

/** @param problems what is wrong with the proxy each time that it is asked */
async function look(world: World, ...problems: (string | undefined)[]): Promise<void> {
  world.edge.problem = async () => problems.shift();
  new FollowRunning(world).look({ name: "shop" }, await world.engine.containers("shop"));
  await world.clock.sleep(5_000);
}

test("a proxy that somebody has taken away is brought back", async () => {
  const world = await shop();
  await look(world, "it does not run", "it does not run");
  expect(world.calls).toEqual(["reapply"]);
  expect(world.log.lines.map(({ message }) => message)).toContain("the edge was brought up again");
});

test("one that is well, or was only being changed, is left alone", async () => {
  const world = await shop();
  await look(world, undefined);
  await look(world, "it runs another configuration", undefined);
  expect(world.calls).toEqual([]);
});

test("once a day what was applied is looked at again: a certificate may end soon", async () => {
  const world = await shop();
  world.edge.problem = async () => undefined;
  const following = new FollowRunning(world);
  for (let hour = 0; hour < 49; hour += 1) {
    following.look({ name: "shop" }, await world.engine.containers("shop"));
    await world.clock.sleep(60 * 60_000);
  }
  expect(world.calls).toEqual(["reapply", "reapply"]);
  expect(world.log.lines.map(({ message }) => message)).not.toContain("the edge was brought up again");
});

test("containers that somebody has made get the requests", async () => {
  const world = await shop();
  world.add("web");
  await look(world, undefined);
  expect(world.calls).toEqual(["direct web to web-1:3000 web-2:3000"]);
});
