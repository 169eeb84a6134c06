import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { holdProjectName } from "./project-name.ts";

test("the name of the first look is kept", async () => {
  const store = fakeStore();
  const compose = holdProjectName(fakeWorld([service("web")]).compose, store);
  expect((await compose.project()).name).toBe("shop");
  expect(store.projectName()).toBe("shop");
});

test("a project under another name is refused: everything would run twice", async () => {
  const store = fakeStore();
  store.saveProjectName("old");
  const compose = holdProjectName(fakeWorld([service("web")]).compose, store);
  await expect(compose.project()).rejects.toMatchObject({
    code: "compose_file",
    message: expect.stringContaining('the compose project was "old" and is called "shop" now'),
  });
  expect(store.projectName()).toBe("old");
});

test("everything else is Compose's own", async () => {
  const world = fakeWorld([service("web")]);
  await holdProjectName(world.compose, fakeStore()).writePins(new Map([["web", "web:v1"]]));
  expect(world.calls).toEqual(["pins web=web:v1"]);
});
