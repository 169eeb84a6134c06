import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { recreate } from "./recreate.ts";

test("what a killed recreate has left under a temporary name is removed first, the container it was for is not", async () => {
  const web = service("web", { containerName: "web" });
  const world = fakeWorld([web]);
  world.add("web", { id: "0123456789abcdef", name: "web" });
  world.add("web", { name: "0123456789ab_web" });
  world.add("web", { name: "fedcba987654_web" });
  const project = await world.compose.project();
  await recreate({ images: new Map() }, project, web, async () => false, world);
  expect(world.calls).toEqual(["remove web-2 with volumes", "recreate web alone"]);
});
