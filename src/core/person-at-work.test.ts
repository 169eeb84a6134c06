import { expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import type { EdgeSettings } from "./edge-settings.ts";
import { DeployerError } from "./errors.ts";

test("a container that a person creates during the watch is removed, and told: one version serves", async () => {
  const world = fakeWorld([service("web", { settings: settings({ watchMs: 5_000 }) })]);
  world.add("web");
  world.clock.at(4_000, () => void world.add("web"));
  const outcome = await deployIn(world, "web", { image: "web:v2" });
  expect(outcome).toMatchObject({
    status: "succeeded",
    reason:
      'container web-3 of "web" (web:v1) was created by somebody else meanwhile, and removed: the deployment decides what runs',
  });
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
});

test("a person at work on the same containers keeps the way back from nothing", async () => {
  const world = fakeWorld([service("web", { containerName: "the-web" })]);
  world.add("web");
  world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
  let attempts = 0;
  world.before("recreate web alone", () => {
    attempts += 1;
    if (attempts === 1) throw new DeployerError("rollout", "the name is in use");
  });
  const outcome = await deployIn(world, "web", { image: "web:v2" });
  expect([attempts, outcome.status, world.ps().length, world.ps()[0]]).toEqual([
    2,
    "rolled_back",
    1,
    expect.stringContaining("running web:v1"),
  ]);
});

test("another image under the text of the old one is not called what ran before", async () => {
  const world = fakeWorld([service("web", { containerName: "the-web" })]);
  world.add("web");
  world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
  world.before("start web-2", () => void world.images.set("web:v1", "id of another"));
  const outcome = await deployIn(world, "web", { image: "web:v2" });
  expect(outcome.status).toBe("rollback_failed");
  expect(outcome.reason).toContain("web:v1 is another image by now than the one that ran");
  expect(world.ps()).toEqual([expect.stringContaining("running web:v1")]);
});

const ANEW = 'the new containers of "web" were taken away by somebody else meanwhile, and made anew';

/** `web:v1` runs, and rolls. */
function shop(edge?: EdgeSettings): World {
  const routes = edge === undefined ? [] : [{ host: "shop.example.com", path: "/" }];
  const world = fakeWorld(
    [service("web", { settings: settings({ strategy: "rolling", port: 3000, routes }) })],
    edge,
  );
  world.add("web");
  return world;
}

test("new containers that a person takes away while the old ones go are made anew: somebody serves", async () => {
  const world = shop();
  world.before("remove web-1", () => world.takeAway("web-2"));
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: ANEW,
  });
  expect(world.ps()).toEqual(["web-3 running web:v2"]);
  expect(toldIn(world)).toContain(`log: ${ANEW}`);
  expect(world.store.progress("d1")?.plans[0]?.candidates.map(({ id }) => id)).toEqual(["web-3"]);
});

test("one that somebody is stopping still runs, and does not count: it is made anew when it is gone", async () => {
  const world = shop();
  world.before("remove web-1", () => world.takeAway("web-2", 30_000));
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: ANEW,
  });
  expect(world.ps()).toEqual(["web-3 running web:v2"]);
});

test("what a person's Compose puts in the place of a new one until the deployment has ended is replaced: the record is true", async () => {
  const world = shop();
  world.before("remove web-1", () => {
    world.takeAway("web-2", 2_000);
    world.add("web");
  });
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: ANEW,
  });
  expect(world.ps()).toEqual(["web-4 running web:v2"]);
});

test("behind the edge visitors are sent to what was made anew", async () => {
  const world = shop(EDGE);
  await bringUp(new Set(), world, never());
  world.before("drained web web-1", () => world.takeAway("web-2", 2_000));
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: ANEW,
  });
  expect(world.edge.direction("web").serving.map(({ container }) => container)).toEqual(["web-3"]);
});

test("what shares with a service is made anew once more with it", async () => {
  const world = fakeWorld([service("vpn"), service("proxy", { sharesWith: ["vpn"] })]);
  for (const name of ["vpn", "proxy"]) world.add(name);
  world.before("remove vpn-1", () => world.takeAway("vpn-2", 2_000));
  await deployIn(world, "vpn", { image: "vpn:v2" });
  expect(world.ps().toSorted()).toEqual(["proxy-3 running proxy:v1", "vpn-3 running vpn:v2"]);
});

test("a person who stops the new one meanwhile has stopped it, and that is told", async () => {
  for (const graceMs of [undefined, 5_000]) {
    const world = shop();
    world.before("remove web-1", () => world.stopByHand("web-2", graceMs));
    expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
      status: "succeeded",
      reason: 'the new containers of "web" were stopped by somebody else meanwhile',
    });
    expect(world.ps()).toEqual(["web-2 exited web:v2"]);
  }
});

test("a person who takes everything down meanwhile is left alone, and that is told", async () => {
  const world = shop();
  world.before("remove web-1", () => world.takeDown());
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: 'the new containers of "web" were taken down by somebody else meanwhile',
  });
  expect(world.ps()).toEqual([]);
});

test("a person who restarts the new one meanwhile is left alone", async () => {
  const world = shop();
  world.before("remove web-1", () => {
    world.stopByHand("web-2", 1_000);
    world.clock.at(world.clock.now() - START + 1_500, () => void world.engine.start("web-2"));
  });
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: "",
  });
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
});

test("one that ignores who tells it to stop is not waited for without end", async () => {
  const world = shop();
  world.before("remove web-1", () => world.stopByHand("web-2", 3_600_000));
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({
    status: "succeeded",
    reason: "",
  });
  expect(world.clock.now() - START).toBeLessThan(100_000);
});
