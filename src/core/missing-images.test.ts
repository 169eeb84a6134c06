import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import { missingImages } from "./missing-images.ts";

test("what should run and has neither container nor image is named with its image", async () => {
  const world = fakeWorld([
    service("runs"),
    service("here"),
    service("missing"),
    service("local", { image: undefined }),
    service("tool", { startedByDefault: false }),
    service("none", { replicas: 0 }),
  ]);
  world.add("runs");
  world.images.set("here:v1", "id");
  expect(await missingImages(world)).toEqual(
    new Map([
      ["missing", "missing:v1"],
      ["local", "shop-local"],
    ]),
  );
});

test("a deployed service waits for the image of its pin", async () => {
  const world = fakeWorld([service("tool", { startedByDefault: false })]);
  await deploy(running("tool", { image: "tool:v2" }), world, never());
  await world.engine.remove("tool-1", { volumes: false });
  expect(await missingImages(world)).toEqual(new Map());
  world.images.clear();
  expect(await missingImages(world)).toEqual(new Map([["tool", `tool:v2@${digestOf("tool:v2")}`]]));
});
