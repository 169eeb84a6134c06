import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Service } from "./compose.ts";

const CRASHES = { exits: { after: 500, code: 1 } };

/** `web` and `api` run; what is noted beside the progress of a deployment cannot be written. */
function shop(fields: Partial<Service> = {}): World {
  const full = (): never => {
    throw new Error("database or disk is full");
  };
  const world = fakeWorld([service("web", fields), service("api", fields)]);
  world.add("web");
  world.add("api");
  world.store.saveLook({ start: "boot-1", running: ["web-1", "api-1"] });
  return { ...world, store: { ...world.store, saveLook: full, saveOrigins: full } };
}

test.each([
  ["its old container", {}],
  ["one made anew in its place", { containerName: "the-web" }],
])("a service that goes back to %s on a full disk has gone back", async (_, fields) => {
  const world = shop(fields);
  world.lives.set("web:v2", CRASHES);
  expect(await deployIn(world, "web", { image: "web:v2" })).toMatchObject({ status: "rolled_back" });
  expect(world.ps().filter((line) => line.startsWith("web"))).toEqual([
    expect.stringMatching(/^web-\d running web:v1$/),
  ]);
});

test("old versions do not go on serving because the pins cannot be written, or another cannot be removed", async () => {
  const world = shop({ settings: settings({ strategy: "rolling" }) });
  world.before("pins api=api:v1 web=web:v1", () => {
    throw new Error("no space left on device");
  });
  world.fail("stop web-1");
  expect(await deployIn(world, ["web", "api"], { force: true })).toMatchObject({ status: "succeeded" });
  expect(world.ps()).toEqual(["web-1 running web:v1", "web-2 running web:v1", "api-2 running api:v1"]);
});
