import { expect, test } from "bun:test";

import { digestOf, imageIdOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { ship } from "../../test/fakes/shipping.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { keepImages } from "./keep-images.ts";

function scene() {
  const world = fakeWorld([service("web"), service("worker")]);
  const kept = () =>
    [...world.images]
      .filter(([name]) => name.startsWith("deployer.local/"))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { world, kept };
}

test("each image of the set has a tag that names the deployment and the place of the service in it", async () => {
  const { world, kept } = scene();
  await ship(world, "d1", "app:v1", ["web", "worker"]);
  await ship(world, "d2", "app:v2", ["worker"]);
  await keepImages(world);
  expect(kept()).toEqual([
    ["deployer.local/keep:d1.0", imageIdOf(digestOf("app:v1"))],
    ["deployer.local/keep:d1.1", imageIdOf(digestOf("app:v1"))],
    ["deployer.local/keep:d2.0", imageIdOf(digestOf("app:v2"))],
  ]);
});

test("what has its tag is left alone; a tag that somebody removed or moved is set again", async () => {
  const { world, kept } = scene();
  await ship(world, "d1", "web:v1");
  await ship(world, "d2", "web:v2");
  await keepImages(world);
  const before = kept();
  world.calls.length = 0;
  await keepImages(world);
  expect(world.calls).toEqual([]);
  world.images.delete("deployer.local/keep:d1.0");
  world.images.set("deployer.local/keep:d2.0", imageIdOf(digestOf("web:v1")));
  await keepImages(world);
  expect(kept()).toEqual(before);
});

test("an image that is gone is passed over, its tag is not put on anything else", async () => {
  const { world, kept } = scene();
  await ship(world, "d1", "web:v1");
  await ship(world, "d2", "web:v2");
  world.images.delete(`web@${digestOf("web:v1")}`);
  await keepImages(world);
  expect(kept().map(([name]) => name)).toEqual(["deployer.local/keep:d2.0"]);
});

test("a version of a time before ids were recorded is found by its digest", async () => {
  const { world, kept } = scene();
  await ship(world, "d1", "web:v1");
  const [version] = world.store.versions("web");
  const [pin] = world.store.pins();
  world.store.commit([{ pin: pin!, version: { ...version!, imageId: "" }, origins: [] }]);
  await keepImages(world);
  expect(kept()).toEqual([["deployer.local/keep:d1.0", imageIdOf(digestOf("web:v1"))]]);
});

test("a failure only warns, and the next call makes up for it", async () => {
  const { world, kept } = scene();
  await ship(world, "d1", "web:v1");
  world.fail("tag deployer.local/keep:d1.0");
  await keepImages(world);
  expect(world.log.lines.map(({ level }) => level)).toContain("warn");
  expect(kept()).toEqual([]);
  world.before("tag deployer.local/keep:d1.0", () => undefined);
  await keepImages(world);
  expect(kept()).toHaveLength(1);
});
