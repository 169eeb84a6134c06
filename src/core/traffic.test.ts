import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { countRequests, tellTraffic } from "./traffic.ts";

test.each([
  [1, undefined, "web: 12,431 requests during this deployment, 0 failed, p99 8 ms"],
  [2, true, "web: 12,431 requests since the daemon's restart, 0 failed, p99 8 ms"],
] as const)("begun %d times, it is said since when requests were counted", async (attempts, since, text) => {
  const routes = [{ host: "shop.example.com", path: "/" }];
  const world = fakeWorld([service("web", { settings: settings({ port: 3000, routes }) })], EDGE);
  world.add("web");
  await bringUp(new Set(), world, never());
  const deployment = running("web", { attempts });
  world.store.insert(deployment);
  const counted = await (await countRequests(deployment, world))();
  expect(counted.get("web")?.sinceRestart).toBe(since);
  tellTraffic(deployment, counted, world);
  expect(world.store.events(deployment.id, 0, 100).map((event) => event.text)).toEqual([text]);
});
