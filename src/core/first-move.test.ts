import { expect, test } from "bun:test";

import { deployIn, resumeIn, toldIn } from "../../test/fakes/deploying.ts";
import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import { applyEdge, bringEdge, edgeProblems } from "./apply-edge.ts";
import { DeployerError } from "./errors.ts";
import type { Ports } from "./ports.ts";

/** `web:v1` publishes port 80; the compose file has a route for it since. The proxy cannot come while it runs. */
function shop(): World {
  const routed = settings({ port: 3000, routes: [{ host: undefined, path: "/" }] });
  const world = fakeWorld([service("web", { settings: routed }), service("blog")], EDGE);
  world.add("web", { labels: { publishes: "80" } });
  world.before("apply web", () => {
    if (world.ps().some((line) => line.startsWith("web-1 running")))
      throw new DeployerError("edge", "port 80 is taken");
  });
  return world;
}

const deployV2 = (world: World) => deployIn(world, "web", { image: "web:v2" });
const moves = (world: World): string[] =>
  world.calls.filter((call) => /^(prepare|apply|direct|stop|start|remove)/.test(call));

test("the proxy comes between the stop of the old container and the start of the new one", async () => {
  const world = shop();
  expect(await deployV2(world)).toMatchObject({ status: "succeeded" });
  expect(moves(world)).toEqual([
    "prepare web",
    "stop web-1",
    "apply web",
    "start web-2",
    "direct web to web-2:3000",
    "remove web-1",
  ]);
  expect(toldIn(world)).toContainEqual(expect.stringContaining("visitors notice that, this once"));
});

test("a new version that fails: the proxy goes again, and the old container has its port back", async () => {
  const world = shop();
  world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
  expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
  expect(moves(world).slice(-4)).toEqual([
    "apply ",
    "stop web-2",
    "remove web-2 with volumes",
    "start web-1",
  ]);
  expect(world.edge.isRouted("web")).toBe(false);
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});

test("a daemon killed in the middle carries it to its end", async () => {
  for (const place of ["stop web-1", "apply web", "start web-2", "direct web to web-2:3000"]) {
    const world = shop();
    const deployment = running("web", { image: "web:v2" });
    world.store.insert(deployment);
    await world.killedAt(place, (ports: Ports) => deploy(deployment, ports, never()));
    expect([place, (await resumeIn(world)).status]).toEqual([place, "succeeded"]);
    expect(world.edge.direction("web").serving).toEqual([{ container: "web-2", port: 3000 }]);
  }
});

test("the proxy that cannot go at once: the old container comes back all the same", async () => {
  const world = shop();
  world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
  let tries = 0;
  world.before("apply ", () => {
    tries += 1;
    if (tries === 1) throw new DeployerError("edge", "Docker says no");
  });
  expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});

test("while it is under way nobody else brings the proxy: the old container may need its port", async () => {
  const world = shop();
  world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
  const failures: unknown[] = [];
  world.before("stop web-2", async () => {
    await applyEdge(await world.compose.project(), world).catch((error: unknown) => failures.push(error));
  });
  expect(await deployV2(world)).toMatchObject({ status: "rolled_back" });
  const refusal = "deployment d1 is bringing the edge: it stays as it is until that has ended";
  expect(failures).toEqual([expect.objectContaining({ code: "edge", message: refusal })]);
  expect(world.edge.isRouted("web")).toBe(false);
});

test("until then it is left alone, at each start too", async () => {
  const world = shop();
  expect(await bringEdge(await world.compose.project(), world)).toEqual(new Map());
  expect(world.calls).toEqual([]);
});

test("another service's deployment does not move it, and is no worse off for the port that is taken", async () => {
  const world = shop();
  world.add("blog");
  expect(await deployIn(world, "blog", { image: "blog:v2" })).toMatchObject({ status: "succeeded" });
  expect(world.calls).not.toContain("apply web");
  expect(world.ps()).toEqual(["web-1 running web:v1", "blog-2 running blog:v2"]);
});

test("until then a check looks at the ports that somebody else may have", async () => {
  const world = shop();
  const looked: unknown[] = [];
  world.edge.judge = async ({ settings: { http, https } }) => {
    looked.push([http, https]);
    return ["x-deployer.edge.certs: there is none", "something without a line"];
  };
  const project = { ...(await world.compose.project()), edge: { ...EDGE, https: 443 } };
  const whereIs = (keys: readonly string[]) => `file:${keys.join("/")}: `;
  expect(await edgeProblems({ ...project, whereIs }, world)).toEqual([
    "file:x-deployer/edge/certs: x-deployer.edge.certs: there is none",
    "something without a line",
  ]);
  world.stopByHand("web-1");
  await edgeProblems(project, world);
  expect(looked).toEqual([
    [undefined, 443],
    [80, 443],
  ]);
});
