import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";

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
