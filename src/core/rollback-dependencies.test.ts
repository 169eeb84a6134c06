import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import type { Service } from "./compose.ts";

const onDb = { dependsOn: [{ service: "db", condition: "service_started", required: true } as const] };

/** `web:v1` was deployed when the file wanted one `db`; since then it wants two of them, and `web:v2` was deployed. */
async function withMoreOfDb(web: Partial<Service>): Promise<World> {
  const world = fakeWorld([service("db"), service("web", { ...onDb, ...web })]);
  world.add("db");
  expect(await deployIn(world, "web", { id: "v1", image: "web:v1" })).toMatchObject({ status: "succeeded" });
  world.file.set("db", service("db", { replicas: 2 }));
  world.add("db");
  expect(await deployIn(world, "web", { id: "v2", image: "web:v2" })).toMatchObject({ status: "succeeded" });
  return world;
}

const dbs = (world: World): string[] => world.ps().filter((line) => line.startsWith("db"));

test.each([
  ["beside the old ones", {}],
  ["in their place", { containerName: "web" }],
])("a rollback that creates containers %s keeps the number of a dependency", async (_, fields) => {
  const world = await withMoreOfDb(fields);
  expect(await deployIn(world, "web", { id: "r1", kind: "rollback" })).toMatchObject({ status: "succeeded" });
  expect(world.ps().find((line) => line.startsWith("web"))).toEndWith("running web:v1");
  expect(dbs(world)).toEqual(["db-1 running db:v1", "db-2 running db:v1"]);
});

test("a rollback to a time when there was another dependency keeps its number too", async () => {
  const world = await withMoreOfDb({});
  world.file.set("web", service("web", { configHash: "without db" }));
  expect(await deployIn(world, "web", { id: "v3", image: "web:v3" })).toMatchObject({ status: "succeeded" });
  expect(await deployIn(world, "web", { id: "r1", kind: "rollback", to: "v1" })).toMatchObject({
    status: "succeeded",
  });
  expect(dbs(world)).toEqual(["db-1 running db:v1", "db-2 running db:v1"]);
});

test("so does the daemon when it brings up a service as it was deployed then", async () => {
  const world = fakeWorld([service("db"), service("web", onDb)]);
  world.add("db");
  await deployIn(world, "web", { id: "v1", image: "web:v1" });
  await world.engine.remove("web-1", { volumes: false });
  world.file.set("db", service("db", { replicas: 2 }));
  world.add("db");
  expect(await bringUp(new Set(), world, new AbortController().signal)).toEqual(new Map());
  expect(dbs(world)).toEqual(["db-1 running db:v1", "db-2 running db:v1"]);
  expect(world.ps()).toContain("web-2 running web:v1");
});
