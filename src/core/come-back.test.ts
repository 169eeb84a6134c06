import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { DeployerError } from "./errors.ts";

test("after a boot what ran is started though the compose file is broken; what a person stopped is not", async () => {
  const world = fakeWorld([service("db"), service("web"), service("worker")]);
  for (const name of ["db", "web", "worker"]) {
    world.add(name);
    world.stopByHand(`${name}-1`);
  }
  world.fail("start db-1");
  const compose: typeof world.compose = {
    ...world.compose,
    project: () => Promise.reject(new DeployerError("compose_file", "broken")),
  };
  const comeBack = new Set(["db-1", "web-1"]);
  const begun = bringUp(comeBack, { ...world, compose }, new AbortController().signal);
  await expect(begun).rejects.toMatchObject({ code: "compose_file" });
  expect(world.ps()).toEqual(["db-1 exited db:v1", "web-1 running web:v1", "worker-1 exited worker:v1"]);
  // It is tried again.
  expect([...comeBack]).toEqual(["db-1"]);
});
