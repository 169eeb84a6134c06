import { describe, expect, test } from "bun:test";

import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Outcome } from "./deployment.ts";
import type { Service } from "./compose.ts";
import type { Settings } from "./settings.ts";

/** `web:v1` runs and rolls. */
function shop(fields: Partial<Service> = {}, more: Partial<Settings> = {}): World {
  const world = fakeWorld([
    service("web", { ...fields, settings: settings({ strategy: "rolling", ...more }) }),
  ]);
  for (let n = 0; n < (fields.replicas ?? 1); n += 1) world.add("web");
  return world;
}

const deployV2 = (world: World): Promise<Outcome> => deployIn(world, "web", { image: "web:v2" });
const HIDE = ["disconnect web-2 from shop_default", "connect web-2 to shop_default"];
const SHOW = ["disconnect web-2 from shop_default", "connect web-2 to shop_default as web"];
const ranTo = (world: World): string[] => stepsOf(world.calls).slice(2);

describe("a rolling deployment", () => {
  test("gates its candidate unseen, shows it, gates it once more, and only then stops the old one", async () => {
    const world = shop();
    expect(await deployV2(world)).toMatchObject({ status: "succeeded", changed: true });
    expect(ranTo(world)).toEqual([
      "create web 2",
      ...HIDE,
      "start web-2",
      "progress switching",
      ...SHOW,
      "start web-2",
      "commit web",
      "pins web=web:v2",
      "stop web-1",
      "remove web-1",
    ]);
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("stops the old one, with the grace it asks for, before it removes it", async () => {
    const world = shop();
    const states: (string | undefined)[] = [];
    world.before("remove web-1", async () => {
      states.push((await world.engine.container("web-1"))?.state);
    });
    await deployV2(world);
    expect(states).toEqual(["exited"]);
  });

  test("has peers find the old one alone until the candidate is well, then both, then the new one alone", async () => {
    const world = shop({}, { watchMs: 5_000 });
    const seen = new Map<string, string[]>();
    for (const call of ["progress switching", "commit web", "remove web-1"])
      world.before(call, () => {
        if (!seen.has(call)) seen.set(call, world.reachable("web"));
      });
    await deployV2(world);
    expect(Object.fromEntries(seen)).toEqual({
      "progress switching": ["web-1"],
      "commit web": ["web-1", "web-2"],
      "remove web-1": ["web-2"],
    });
  });

  test("of two replicas starts one after the other", async () => {
    const world = shop({ replicas: 2 });
    const running: number[] = [];
    for (const id of ["web-3", "web-4"])
      world.before(
        `start ${id}`,
        () => void running.push(world.ps().filter((line) => line.includes("running web:v2")).length),
      );
    expect(await deployV2(world)).toMatchObject({ status: "succeeded" });
    expect(running).toEqual([0, 1, 2, 2]);
    expect(world.ps()).toEqual(["web-3 running web:v2", "web-4 running web:v2"]);
  });

  test("of what does not run is a recreate: nothing has to go on serving", async () => {
    const world = shop();
    world.stopByHand("web-1");
    expect(await deployV2(world)).toMatchObject({ status: "succeeded" });
    expect(toldIn(world)).toContain("strategy: web: recreate, nothing runs that would have to go on serving");
    expect(world.calls.filter((call) => call.startsWith("disconnect"))).toEqual([]);
  });
});

describe("a rolling candidate that fails", () => {
  test("unseen: failed, and no peer ever found it", async () => {
    const world = shop();
    world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(world)).toMatchObject({
      status: "failed",
      changed: false,
      reason:
        'container web-2 of service "web" exited with code 1\nwhat serves now: web:v1 in container web-1',
    });
    expect(world.calls).not.toContain(SHOW[1]);
    expect(world.calls).not.toContain("progress switching");
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.reachable("web")).toEqual(["web-1"]);
  });

  test("in the watch: it is hidden first of all, rolled back, the old one was never stopped", async () => {
    const world = shop({}, { watchMs: 10_000 });
    world.lives.set("web:v2", { healthyAfter: 0, unhealthyAfter: 4_000, execFailsAfter: Infinity });
    const hidden: string[][] = [];
    world.before("stop web-2", () => void hidden.push(world.reachable("web")));
    expect(await deployV2(world)).toMatchObject({
      status: "rolled_back",
      changed: false,
      code: "unhealthy",
      digests: new Map([["web", digestOf("web:v2")]]),
    });
    expect(hidden).toEqual([["web-1"]]);
    expect(world.calls).not.toContain("stop web-1");
    expect(world.calls).not.toContain("start web-1");
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("and cannot be hidden: it goes back all the same", async () => {
    const world = shop({}, { watchMs: 10_000 });
    world.lives.set("web:v2", { exits: { after: 8_000, code: 1 } });
    let disconnects = 0;
    world.before("disconnect web-2 from shop_default", () => {
      disconnects += 1;
      if (disconnects > 2) throw new Error("network is gone");
    });
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back", changed: false });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("of two replicas, the second: both go, both old ones serve", async () => {
    const world = shop({ replicas: 2 });
    world.fail("start web-4", "no room");
    expect(await deployV2(world)).toMatchObject({ status: "failed", changed: false });
    expect(world.ps()).toEqual(["web-1 running web:v1", "web-2 running web:v1"]);
    expect(world.reachable("web")).toEqual(["web-1", "web-2"]);
  });

  test("while the old one has died by itself: rolled back means that the old one serves again", async () => {
    const world = shop({}, { watchMs: 10_000 });
    world.lives.set("web:v2", { exits: { after: 8_000, code: 1 } });
    world.clock.at(5_000, () => world.stopByHand("web-1"));
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });
});
