import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { DeployerError } from "./errors.ts";
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

/** As many looks as there are in a minute, by one that has seen those before. @returns the warnings of these */
async function looksOfAMinute(following: FollowRunning, world: World): Promise<string[]> {
  world.log.lines.length = 0;
  for (let look = 0; look < 6; look += 1) {
    following.look({ name: "shop" }, await world.engine.containers("shop"));
    await world.clock.sleep(10_000);
  }
  return world.log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
}

test("containers that requests cannot be sent to are told once, until they are well", async () => {
  const world = await shop();
  const following = new FollowRunning(world);
  const told = ["requests could not be sent to what runs"];
  world.add("web");
  world.before("direct web to web-1:3000 web-2:3000", () => {
    throw new DeployerError("edge", "the edge cannot reach web-2");
  });
  expect(await looksOfAMinute(following, world)).toEqual(told);
  expect(await looksOfAMinute(following, world)).toEqual([]);
  world.stopByHand("web-2");
  expect(await looksOfAMinute(following, world)).toEqual([]);
  await world.engine.start("web-2");
  expect(await looksOfAMinute(following, world)).toEqual(told);
});

test("a proxy that cannot be brought back, or is no better for it, is told once, until it is well", async () => {
  const world = await shop();
  const following = new FollowRunning(world);
  let problem: string | undefined = "it does not run";
  world.edge.problem = async () => problem;
  expect(await looksOfAMinute(following, world)).toEqual(["the edge was brought up again"]);
  expect(await looksOfAMinute(following, world)).toEqual([]);
  world.edge.reapply = async () => {
    throw new DeployerError("edge", "port 80 is taken");
  };
  expect(await looksOfAMinute(following, world)).toEqual([
    "the edge cannot be brought to what the compose file says",
  ]);
  expect(await looksOfAMinute(following, world)).toEqual([]);
  problem = undefined;
  expect(await looksOfAMinute(following, world)).toEqual([]);
  problem = "it does not run";
  expect(await looksOfAMinute(following, world)).toEqual([
    "the edge cannot be brought to what the compose file says",
  ]);
});
