import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { resumeIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";

test.each([
  [3, "succeeded", "web-2 running web:v2"],
  [4, "rolled_back", "web-1 running web:v1"],
])("begun %i times and killed after the switch: %s", async (attempts, status, end) => {
  const world = fakeWorld([service("web")]);
  world.add("web");
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  await world.killedAt("start web-2", (ports) => deploy(deployment, ports, never()));
  world.store.update({ ...deployment, attempts: attempts - 1 });
  expect(await resumeIn(world)).toMatchObject({ status });
  expect(world.ps()).toEqual([end]);
});
