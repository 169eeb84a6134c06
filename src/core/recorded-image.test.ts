import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { digestOf, imageIdOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";

/** `web:v1` ran already, as the text without a digest, and was deployed unchanged; then came `web:v2`. */
async function adopted(): Promise<World> {
  const world = fakeWorld([service("web")]);
  world.add("web");
  expect(await deployIn(world, "web", { id: "d1" })).toMatchObject({ status: "succeeded", changed: false });
  expect(await deployIn(world, "web", { id: "d2", image: "web:v2" })).toMatchObject({ status: "succeeded" });
  return world;
}

const rollBack = (world: World) => deployIn(world, "web", { id: "r1", kind: "rollback" });

test("a rollback to a version that was adopted by its tag runs the image of then", async () => {
  const world = await adopted();
  expect(await rollBack(world)).toMatchObject({ status: "succeeded" });
  expect(world.ps()).toEqual(["web-3 running web:v1"]);
  expect((await world.engine.containers("shop"))[0]?.imageId).toBe(imageIdOf(digestOf("web:v1")));
});

test("never another one that the tag names since: that is said, and nothing is touched", async () => {
  const world = await adopted();
  world.images.set("web:v1", imageIdOf(digestOf("a later web:v1")));
  const ran = `web@${digestOf("web:v1")}`;
  expect(await rollBack(world)).toMatchObject({
    status: "failed",
    code: "image_not_found",
    reason: expect.stringContaining(
      `service "web" ran ${ran}, and web:v1 is another image on this host: deploy it again, or docker tag ${ran} web:v1`,
    ),
  });
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
});

test("nor when the tag is gone", async () => {
  const world = await adopted();
  world.images.delete("web:v1");
  expect(await rollBack(world)).toMatchObject({
    status: "failed",
    code: "image_not_found",
    reason: expect.stringContaining("and web:v1 is not on this host"),
  });
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
});
