import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";

test("a rolling container that a person removes in the watch leaves no other one in the sight of peers", async () => {
  const fields = { settings: settings({ strategy: "rolling", watchMs: 10_000 }) };
  const world = fakeWorld([service("web", { ...fields, replicas: 2 })]);
  world.add("web");
  world.add("web");
  // Each new one has three seconds alone, and three more where peers find it.
  world.clock.at(13_000, () => void world.engine.remove("web-3", { volumes: false }));
  let seen: string[] = [];
  world.before("stop web-4", () => {
    seen = world.reachable("web");
  });
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({ status: "rolled_back" });
  expect(seen).toEqual(["web-1", "web-2"]);
});
