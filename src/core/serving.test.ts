import { expect, test } from "bun:test";

import { deployIn } from "../../test/fakes/deploying.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { DeployerError } from "./errors.ts";

test("with a broken compose file the caller learns what serves all the same", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web");
  const compose: typeof world.compose = {
    ...world.compose,
    project: () => Promise.reject(new DeployerError("compose_file", "compose file: broken")),
  };
  expect(await deployIn({ ...world, compose }, "web", { image: "web:v2" })).toMatchObject({
    status: "failed",
    code: "compose_file",
    reason: "compose file: broken\nwhat serves now: web:v1 in container web-1",
  });
});
