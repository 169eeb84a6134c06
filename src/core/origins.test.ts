import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { noteOrigins, originOf } from "./origins.ts";

const web = service("web");

test("a container that is as the file says is known from then on, also when the file changes", async () => {
  const world = fakeWorld([web]);
  const container = world.add("web");
  await noteOrigins([container], web, undefined, world);
  const known = world.store.origin(container.id);
  expect(known).toMatchObject({ service: "web", configHash: web.configHash });
  const edited = service("web", { configHash: "edited" });
  world.file.set("web", edited);
  expect(await originOf(container, edited, new Map(), world)).toEqual(known);
});

test("a container that differs from the file came from where we made it, or from nowhere known", async () => {
  const world = fakeWorld([web]);
  const container = world.add("web");
  const edited = service("web", { configHash: "edited" });
  world.file.set("web", edited);
  await noteOrigins([container], edited, undefined, world);
  expect(world.store.origin(container.id)).toBeUndefined();
  await noteOrigins([container], edited, "recorded", world);
  expect(world.store.origin(container.id)).toEqual({
    container: container.id,
    service: "web",
    configHash: "",
    recorded: "recorded",
  });
});

test("a compose file that cannot be read costs no more than the comparison", async () => {
  const world = fakeWorld([web]);
  const container = world.add("web");
  const broken = { ...world.compose, record: () => Promise.reject(new Error("broken")) };
  await noteOrigins([container], web, "recorded", { ...world, compose: broken });
  expect(world.store.origin(container.id)?.recorded).toBe("recorded");
});
