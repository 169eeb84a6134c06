import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
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

test("new containers that a person takes away while the old ones go are made anew: somebody serves", async () => {
  const world = fakeWorld([service("web", { settings: settings({ strategy: "rolling" }) })]);
  world.add("web");
  world.before("remove web-1", () => world.stopByHand("web-2"));
  const outcome = await deployIn(world, "web", { image: "web:v2" });
  expect(outcome).toMatchObject({
    status: "succeeded",
    reason: 'the new containers of "web" were taken away by somebody else meanwhile, and made anew',
  });
  expect(world.ps()).toEqual(["web-3 running web:v2"]);
});
