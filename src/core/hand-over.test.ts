import { describe, expect, test } from "bun:test";

import { deployIn, resumeIn, toldIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import { never } from "../../test/fakes/clock.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import type { Service } from "./compose.ts";
import { deploy } from "./deploy.ts";
import type { Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Ports } from "./ports.ts";
import type { Settings } from "./settings.ts";

const ROUTE = { host: "shop.example.com", path: "/" };

/** `web:v1` runs behind the edge, and rolls unless the fields say otherwise. */
async function shop(fields: Partial<Settings> = {}, more: Partial<Service> = {}): Promise<World> {
  const web = settings({ strategy: "rolling", port: 3000, routes: [ROUTE], ...fields });
  const world = fakeWorld([service("web", { ...more, settings: web })], EDGE);
  for (let n = 0; n < (more.replicas ?? 1); n += 1) world.add("web");
  await bringUp(new Set(), world, never());
  return world;
}

const deployV2 = (world: World): Promise<Outcome> => deployIn(world, "web", { image: "web:v2" });
const serving = (world: World): string[] =>
  world.edge.direction("web").serving.map(({ container }) => container);
/** What was done to requests and to containers that answer them. */
const moves = (world: World): string[] =>
  stepsOf(world.calls).filter((call) =>
    /^(apply|direct|drained|hold|release|start|stop|remove|commit|progress) ?/.test(call),
  );

test("at the start the proxy is brought up, and requests go to what runs", async () => {
  const world = await shop();
  expect(world.calls).toContain("apply web");
  expect(serving(world)).toEqual(["web-1"]);
});

describe("a rolling deployment behind the edge", () => {
  test("sends requests on when the new one has passed, keeps the old one warm, and lets it finish before its end", async () => {
    const world = await shop({ watchMs: 5_000 });
    expect(await deployV2(world)).toMatchObject({ status: "succeeded" });
    expect(moves(world)).toEqual([
      "apply web",
      "start web-2",
      "progress switching",
      "start web-2",
      "direct web to web-2:3000, then web-1:3000",
      "commit web",
      "direct web to web-2:3000",
      "drained web web-1",
      "stop web-1",
      "remove web-1",
    ]);
  });

  test("waits for the old one as long as its own version says", async () => {
    const world = await shop({ drainMs: 7_000 });
    const waited: number[] = [];
    world.edge.drained = async (_service, _containers, withinMs) => {
      waited.push(withinMs);
      return 0;
    };
    await deployV2(world);
    expect(waited).toEqual([7_000]);
  });

  test("of two replicas switches when both have passed: no visitor finds fewer than before", async () => {
    const world = await shop({}, { replicas: 2 });
    await deployV2(world);
    expect(moves(world).filter((call) => call.startsWith("direct"))).toEqual([
      "direct web to web-3:3000 web-4:3000, then web-1:3000 web-2:3000",
      "direct web to web-3:3000 web-4:3000",
    ]);
  });

  test("tells that sessions are cut which do not end in time", async () => {
    const world = await shop();
    world.edge.drained = async () => 4;
    await deployV2(world);
    expect(toldIn(world)).toContain("edge: web: 4 sessions did not end in time and are cut now");
  });
});

describe("a candidate behind the edge", () => {
  test("that fails in the watch: requests go back to the warm one before anything else happens to it", async () => {
    const world = await shop({ watchMs: 10_000 });
    world.lives.set("web:v2", { exits: { after: 8_000, code: 1 } });
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
    const after = moves(world).slice(moves(world).indexOf("direct web to web-2:3000, then web-1:3000") + 1);
    expect(after).toEqual([
      "direct web to web-1:3000",
      "progress going_back",
      "drained web web-2",
      "stop web-2",
      "remove web-2 with volumes",
    ]);
    expect(serving(world)).toEqual(["web-1"]);
  });

  test("that the proxy does not reach: rolled back, and the reason says it", async () => {
    const world = await shop();
    world.before("direct web to web-2:3000, then web-1:3000", () => {
      throw new DeployerError("edge", "the edge cannot reach web-2 on port 3000");
    });
    expect(await deployV2(world)).toMatchObject({
      status: "rolled_back",
      code: "edge",
      reason: "the edge cannot reach web-2 on port 3000\nwhat serves now: web:v1 in container web-1",
    });
    expect(serving(world)).toEqual(["web-1"]);
  });

  for (const strategy of ["rolling", "recreate"] as const)
    test(`whose port is wrong in the file (${strategy}): the old one answers where it always did`, async () => {
      const world = await shop({ strategy });
      const wrong = settings({ strategy, port: 9999, routes: [ROUTE] });
      world.file.set("web", service("web", { settings: wrong }));
      const warm = strategy === "rolling" ? ", then web-1:3000" : "";
      world.before(`direct web to web-2:9999${warm}`, () => {
        throw new DeployerError("edge", "the edge cannot reach web-2 on port 9999");
      });
      expect(await deployV2(world)).toMatchObject({ status: "rolled_back", code: "edge" });
      expect(world.edge.direction("web").serving).toEqual([{ container: "web-1", port: 3000 }]);
      expect(world.calls.filter((call) => call.includes("web-1:9999"))).toEqual([]);
    });

  test("that fails unseen never got a request", async () => {
    const world = await shop();
    world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(world)).toMatchObject({ status: "failed" });
    expect(world.calls.filter((call) => call.startsWith("direct"))).toEqual([]);
  });
});

describe("a recreate behind the edge", () => {
  test("has requests wait while the only one is replaced, and go on to the new one", async () => {
    const world = await shop({ strategy: "recreate" });
    expect(await deployV2(world)).toMatchObject({ status: "succeeded" });
    expect(moves(world)).toEqual([
      "apply web",
      "progress switching",
      "hold web 30000 2000",
      "drained web web-1",
      "stop web-1",
      "start web-2",
      "direct web to web-2:3000",
      "release web",
      "commit web",
      "drained web web-1",
      "remove web-1",
    ]);
    expect(toldIn(world)).toContain("edge: web: 3 requests waited meanwhile, none was refused");
  });

  test("that fails lets them go on to the old one", async () => {
    const world = await shop({ strategy: "recreate" });
    world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
    expect(moves(world).slice(-1)).toEqual(["release web"]);
    expect(await world.edge.release("web")).toEqual({ held: 0, refused: 0 });
    expect(serving(world)).toEqual(["web-1"]);
  });

  test("that fails in the watch has them wait again, while the old one comes back", async () => {
    const world = await shop({ strategy: "recreate", watchMs: 10_000 });
    world.lives.set("web:v2", { exits: { after: 8_000, code: 1 } });
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
    const after = moves(world).slice(moves(world).indexOf("release web") + 1);
    expect(after.filter((call) => /^(hold|start|release)/.test(call))).toEqual([
      "hold web 30000 2000",
      "hold web 30000 2000",
      "start web-1",
      "release web",
    ]);
  });

  test("with hold: 0 has none wait, and lets what is in flight end", async () => {
    const world = await shop({ strategy: "recreate", holdMs: 0 });
    await deployV2(world);
    expect(moves(world).filter((call) => /^hold|^release/.test(call))).toEqual([]);
    const begin = moves(world).indexOf("direct web to nothing");
    expect(moves(world).slice(begin, begin + 3)).toEqual([
      "direct web to nothing",
      "drained web web-1",
      "stop web-1",
    ]);
  });
});

describe("a daemon that is killed", () => {
  for (const strategy of ["rolling", "recreate"] as const) {
    test(`${strategy}, at any move: the next start leaves requests with what runs, and none waiting`, async () => {
      const uneventful = await shop({ strategy });
      await deployV2(uneventful);
      const from = uneventful.calls.indexOf("progress switching");
      const places = [...new Set(uneventful.calls.slice(from).filter((call) => !call.startsWith("tag")))];
      expect(places.length).toBeGreaterThan(8);
      for (const place of places) {
        const world = await shop({ strategy });
        const deployment = running("web", { image: "web:v2" });
        world.store.insert(deployment);
        await world.killedAt(place, (ports: Ports) => deploy(deployment, ports, never()));
        expect([place, (await resumeIn(world)).status]).toEqual([place, "succeeded"]);
        const up = world.ps().filter((line) => line.includes(" running "));
        expect([place, up]).toEqual([place, [`${serving(world).join()} running web:v2`]]);
        expect([place, await world.edge.release("web")]).toEqual([place, { held: 0, refused: 0 }]);
      }
    });
  }
});

for (const at of ["direct web to web-2:3000, then web-1:3000", "commit web"])
  test(`a daemon killed at "${at}" first finds the proxy again, whichever runs by now`, async () => {
    const world = await shop();
    const deployment = running("web", { image: "web:v2" });
    world.store.insert(deployment);
    await world.killedAt(at, (ports: Ports) => deploy(deployment, ports, never()));
    await resumeIn(world);
    const calls = world.calls.filter((call) => /^(rejoin|direct|drained|hold|release)/.test(call));
    expect(calls.indexOf("rejoin")).toBe(0);
    expect(calls.length).toBeGreaterThan(1);
  });

test("a proxy that is not found again is no reason to give up what is under way", async () => {
  const world = await shop();
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  await world.killedAt("commit web", (ports: Ports) => deploy(deployment, ports, never()));
  world.before("rejoin", () => {
    throw new DeployerError("edge", "port 80 is taken");
  });
  expect(await resumeIn(world)).toMatchObject({ status: "succeeded" });
  expect(toldIn(world)).toContain("log: the edge is not as it was: port 80 is taken");
});

test("a broken route fails the deployment before anything is touched", async () => {
  const world = await shop();
  world.before("apply web", () => {
    throw new DeployerError("edge", "port 80 is taken");
  });
  expect(await deployV2(world)).toMatchObject({ status: "failed", code: "edge", changed: false });
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});
