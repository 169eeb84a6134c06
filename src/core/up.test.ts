import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { accept, type DeploymentRequest } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { createServices } from "./services.ts";
import { up } from "./up.ts";

const never = new AbortController().signal;

/** What was done about each service, and the deployments that were asked for. */
async function run(world: World, refuse?: Error) {
  const asked: DeploymentRequest[] = [];
  const submit = async (request: DeploymentRequest) => {
    if (refuse !== undefined) throw refuse;
    asked.push(request);
    return accept(`d${asked.length}`, request, "host", 0);
  };
  const steps = await up(world, { services: createServices(world), submit }, never);
  return {
    asked: asked.flatMap(({ parts }) => parts),
    forced: asked.some(({ force }) => force),
    did: steps.map((step) => `${step.service} ${step.did}`),
    texts: steps.map(({ text }) => text),
    deployments: steps.map(({ deployment }) => deployment?.id),
  };
}

test("what has no container is brought up, what runs as the file says is left alone", async () => {
  const world = fakeWorld([service("web"), service("db"), service("idle", { startedByDefault: false })]);
  world.add("web");
  const before = world.ps();
  const { did, asked } = await run(world);
  expect(did).toEqual(["web left_alone", "db brought_up", "idle left_alone"]);
  expect(asked).toEqual([]);
  expect(world.ps()).toEqual([...before, expect.stringContaining("db-1 running")]);
});

test("a service whose configuration was edited is deployed with the digest that runs, not with what its tag names by now", async () => {
  const world = fakeWorld([service("web")]);
  const web = world.add("web");
  world.file.set("web", service("web", { configHash: "edited" }));
  world.engine.image = async (id) => {
    expect(id).toBe(web.imageId);
    return {
      id,
      os: "linux",
      architecture: "amd64",
      hasVolumes: false,
      tags: ["web:v1"],
      digests: [`other@sha256:${"0".repeat(64)}`, `web@sha256:${"a".repeat(64)}`],
    };
  };
  const { did, asked, forced, deployments, texts } = await run(world);
  expect([did, deployments]).toEqual([["web deploying"], ["d1"]]);
  expect(asked).toEqual([{ service: "web", image: `web:v1@sha256:${"a".repeat(64)}` }]);
  expect(forced).toBe(false);
  expect(texts).toEqual(["its configuration is not the one of the compose file"]);
  expect(world.ps()).toHaveLength(1);
});

test("a service whose image was edited is deployed as the file says", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web");
  world.file.set("web", service("web", { image: "web:v2" }));
  expect((await run(world)).asked).toEqual([{ service: "web", image: undefined }]);
});

test("what a person stopped is left alone, also when the file was edited", async () => {
  const world = fakeWorld([service("web")]);
  world.stopByHand(world.add("web").id);
  world.file.set("web", service("web", { configHash: "edited" }));
  const { did, asked, texts } = await run(world);
  expect([did, asked]).toEqual([["web left_alone"], []]);
  expect(texts[0]).toContain('"restart web" starts it');
});

test("a service that is built here is left to its person", async () => {
  const world = fakeWorld([service("web", { image: undefined })]);
  world.add("web");
  world.file.set("web", service("web", { image: undefined, configHash: "edited" }));
  const { did, texts } = await run(world);
  expect(did).toEqual(["web left_alone"]);
  expect(texts[0]).toContain("compose -- up -d web");
});

test("one service that fails does not stop the others", async () => {
  const world = fakeWorld([service("bad"), service("web"), service("db")]);
  world.fail("pull bad:v1", "no such image");
  world.add("web");
  world.file.set("web", service("web", { configHash: "edited" }));
  const { did, texts } = await run(world, new DeployerError("queue_full", "200 wait"));
  expect(did).toEqual(["bad failed", "web failed", "db brought_up"]);
  expect(texts.slice(0, 2)).toEqual(["no such image", "200 wait"]);
});
