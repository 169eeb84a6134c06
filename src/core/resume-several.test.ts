import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { resumeIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";

const PARTS = ["web", "db"].map((name) => ({ service: name, image: `${name}:v2`, digest: undefined }));
const BOTH = running([], { parts: PARTS });

/** `web:v1`, which rolls, and `db:v1` run, and both are deployed as one. */
function shop(life: Life): World {
  const shared = { watchMs: 5_000, before: [["migrate"]] };
  const world = fakeWorld([
    service("web", { settings: settings({ ...shared, strategy: "rolling" }) }),
    service("db", { settings: settings(shared) }),
  ]);
  for (const name of ["web", "db"]) world.add(name);
  world.lives.set("db:v2", life);
  world.store.insert(BOTH);
  return world;
}

const serving = (world: World): string[] =>
  world
    .ps()
    .filter((line) => !line.includes("-run-"))
    .map((line) => line.split(" ").slice(1).join(" "))
    .toSorted();

test.each<[string, Life, string, string]>([
  ["both are new in the end", {}, "succeeded", "v2"],
  ["both are back when one crashes in the watch", { exits: { after: 6_000, code: 1 } }, "rolled_back", "v1"],
])("two services as one, killed before each of their calls: %s", async (_, life, end, tag) => {
  const calm = shop(life);
  await deploy(BOTH, calm, never());
  for (const call of new Set(calm.calls)) {
    const world = shop(life);
    await world.killedAt(call, (ports) => deploy(BOTH, ports, never()));
    const { status } = await resumeIn(world);
    expect([call, status, serving(world)]).toEqual([call, end, [`running db:${tag}`, `running web:${tag}`]]);
    expect(new Set(world.store.pins().map(({ deployment }) => deployment)).size).toBe(tag === "v2" ? 1 : 0);
  }
});
