import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { deployIn, resumeIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";

const LATER = digestOf("what the tag names a moment later");

test("a deployment that begins again after a kill rolls out the image that its before command has run with", async () => {
  const world = fakeWorld([service("web", { settings: settings({ before: [["migrate"]] }) })]);
  world.add("web");
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  await world.killedAt("create web 2", (ports) => deploy(deployment, ports, never()));
  world.tags.set("web:v2", LATER);
  expect(await resumeIn(world)).toMatchObject({ status: "succeeded" });
  expect(world.store.pins()).toMatchObject([{ digest: digestOf("web:v2") }]);
});

test("two services on one image get the same one though its tag moves in between", async () => {
  const fields = { image: "app:v1" };
  const world = fakeWorld([service("web", fields), service("worker", fields)]);
  world.add("web");
  world.add("worker");
  world.before("pull app:v2", () => void world.tags.set("app:v2", LATER));
  expect(await deployIn(world, ["web", "worker"], { image: "app:v2" })).toMatchObject({
    status: "succeeded",
  });
  expect(world.store.pins().map(({ digest }) => digest)).toEqual([digestOf("app:v2"), digestOf("app:v2")]);
});

test("the next deployment looks its tag up anew", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web");
  await deployIn(world, "web", { image: "web:v2" });
  world.tags.set("web:v2", LATER);
  await deployIn(world, "web", { id: "d2", image: "web:v2" });
  expect(world.store.pins()).toMatchObject([{ digest: LATER }]);
});
