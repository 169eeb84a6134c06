import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";

type Wish = Partial<Deployment> & { image?: string; service?: string };

/** Runs a deployment as the worker does, its row included. */
function deployed(world: World, { service: name = "web", ...fields }: Wish = {}): Promise<Outcome> {
  const deployment = running(name, fields);
  world.store.insert(deployment);
  return deploy(deployment, world, never());
}

/** A service that runs `web:v1`, deployed by us. */
async function webAtV1(fields = {}): Promise<World> {
  const world = fakeWorld([service("web", fields)]);
  expect(await deployed(world, { id: "d0" })).toMatchObject({ status: "succeeded", changed: true });
  world.calls.length = 0;
  return world;
}

describe("a new image", () => {
  test("is created beside the old one, which is stopped, and the new one started, watched, committed, the old one removed", async () => {
    const world = await webAtV1();
    const began = world.clock.now();
    expect(await deployed(world, { image: "web:v2" })).toEqual({
      status: "succeeded",
      changed: true,
      digests: new Map([["web", digestOf("web:v2")]]),
      diagnoses: [],
      reason: "",
      code: undefined,
    });
    expect(stepsOf(world.calls)).toEqual([
      "resolve web:v2",
      "pull web:v2",
      "create web 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      "commit web",
      "pins web=web:v2",
      "remove web-1",
    ]);
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
    expect(world.clock.now() - began).toBe(3_000);
  });

  test("is pinned with the text of the file, the digest and the configuration it was made from", async () => {
    const world = await webAtV1();
    await deployed(world, { image: "web:v2" });
    const [pin] = world.store.pins();
    expect(pin).toEqual({
      service: "web",
      imageText: `web:v2@${digestOf("web:v2")}`,
      fileImage: "web:v1",
      digest: digestOf("web:v2"),
      recorded: expect.any(String),
      deployment: "d1",
    });
    expect(world.store.origin("web-2")).toEqual({
      container: "web-2",
      service: "web",
      configHash: "config of web",
      recorded: pin?.recorded ?? "",
    });
    expect(world.store.origin("web-1")).toBeUndefined();
  });

  test("behind the tag of the file is found without being named", async () => {
    const world = await webAtV1();
    world.tags.set("web:v1", digestOf("web:v1 built again"));
    expect(await deployed(world)).toMatchObject({
      status: "succeeded",
      changed: true,
      digests: new Map([["web", digestOf("web:v1 built again")]]),
    });
  });

  test("named by its digest is not asked of the registry", async () => {
    const world = await webAtV1();
    const digest = digestOf("web:v3");
    expect(await deployed(world, { image: `web@${digest}` })).toMatchObject({
      status: "succeeded",
      digests: new Map([["web", digest]]),
    });
    expect(world.calls).not.toContain("resolve web:latest");
    expect(world.store.pins()[0]?.imageText).toBe(`web@${digest}`);
  });

  test("of a service with two replicas replaces both", async () => {
    const world = await webAtV1({ replicas: 2 });
    await deployed(world, { image: "web:v2" });
    expect(stepsOf(world.calls).slice(2)).toEqual([
      "create web 4",
      "progress switching",
      "stop web-1",
      "stop web-2",
      "start web-3",
      "start web-4",
      "commit web",
      "pins web=web:v2",
      "remove web-1",
      "remove web-2",
    ]);
    expect(world.ps()).toEqual(["web-3 running web:v2", "web-4 running web:v2"]);
  });

  test("takes the place of whatever an earlier crash left behind", async () => {
    const world = await webAtV1();
    world.add("web", { state: "exited", exitCode: 1 });
    world.add("web", { state: "created" });
    await deployed(world, { image: "web:v2" });
    expect(world.calls).toContain("create web 4");
    expect(world.ps()).toEqual(["web-4 running web:v2"]);
  });

  test("leaves the containers of docker compose run alone", async () => {
    const world = await webAtV1();
    world.lives.set("web:v1", { oneOff: { after: 60 * 60_000, code: 0 } });
    world.add("web", { oneOff: true });
    await deployed(world, { image: "web:v2" });
    expect(world.calls).toContain("create web 2");
    expect(world.ps()).toEqual(["web-2 running web:v1", "web-3 running web:v2"]);
  });

  test("of a stopped service starts it again", async () => {
    const world = await webAtV1();
    world.stopByHand("web-1");
    expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: true });
    expect(world.ps()).toEqual(["web-2 running web:v1"]);
  });

  test("of a job may end with 0 at once", async () => {
    const world = await webAtV1();
    world.lives.set("web:v2", { exits: { after: 100, code: 0 } });
    expect(await deployed(world, { image: "web:v2" })).toMatchObject({ status: "succeeded", changed: true });
    expect(world.ps()).toEqual(["web-2 exited web:v2"]);
    expect(world.store.origin("web-2")).toBeDefined();
  });

  test("keeps the pins of the other services, in its own file and in the final one", async () => {
    const world = fakeWorld([service("web"), service("api")]);
    await deployed(world, { id: "d0", service: "api", image: "api:v7" });
    await deployed(world, { image: "web:v2" });
    expect(world.calls.at(-1)).toBe("pins api=api:v7 web=web:v2");
  });
});

describe("the first deployment of a service", () => {
  test("brings it up", async () => {
    const world = fakeWorld([service("web")]);
    expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: true });
    expect(stepsOf(world.calls).slice(2)).toEqual([
      "create web 1",
      "progress switching",
      "start web-1",
      "commit web",
      "pins web=web:v1",
    ]);
  });

  test("leaves nothing behind when it fails", async () => {
    const world = fakeWorld([service("web")]);
    world.lives.set("web:v1", { exits: { after: 1_000, code: 3 } });
    expect(await deployed(world)).toEqual({
      status: "failed",
      changed: false,
      digests: new Map([["web", digestOf("web:v1")]]),
      diagnoses: [expect.objectContaining({ container: "web-1", exitCode: 3 })],
      code: "rollout",
      reason:
        'container web-1 of service "web" exited with code 3\nwhat serves now: nothing, "web" has no container',
    });
    expect(world.ps()).toEqual([]);
    expect(world.store.pins()).toEqual([]);
  });
});

describe("nothing changed", () => {
  test("since our last deployment: nothing is created, stopped or started", async () => {
    const world = await webAtV1();
    const pins = world.store.pins();
    expect(await deployed(world)).toEqual({
      status: "succeeded",
      changed: false,
      digests: new Map([["web", digestOf("web:v1")]]),
      diagnoses: [],
      reason: "",
      code: undefined,
    });
    expect(world.calls).toEqual(["resolve web:v1", "progress preparing", "pull web:v1", "pins web=web:v1"]);
    expect(world.store.pins()).toEqual(pins);
  });

  test("unless force is asked for", async () => {
    const world = await webAtV1();
    expect(await deployed(world, { force: true })).toMatchObject({ status: "succeeded", changed: true });
    expect(world.ps()).toEqual(["web-2 running web:v1"]);
  });

  test("in a container that Compose made: it is adopted, with the image text it has", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: false });
    expect(world.calls).toEqual([
      "resolve web:v1",
      "progress preparing",
      "pull web:v1",
      "commit web",
      "pins web=web:v1",
    ]);
    expect(world.store.pins()).toMatchObject([
      { imageText: "web:v1", digest: digestOf("web:v1"), deployment: "d1" },
    ]);
    expect(world.store.origin("web-1")).toMatchObject({ configHash: "config of web" });
    world.calls.length = 0;
    expect(await deployed(world, { id: "d2" })).toMatchObject({ changed: false });
    expect(world.calls).toEqual(["resolve web:v1", "progress preparing", "pull web:v1", "pins web=web:v1"]);
  });

  test("but the tag: the container keeps its text, and so does the pin", async () => {
    const world = await webAtV1();
    world.tags.set("web:latest", digestOf("web:v1"));
    expect(await deployed(world, { image: "web:latest" })).toMatchObject({
      status: "succeeded",
      changed: false,
    });
    expect(world.store.pins()).toMatchObject([
      { imageText: `web:v1@${digestOf("web:v1")}`, deployment: "d0" },
    ]);
  });

  test("in a container that a person made anew without the pins: the pin takes over its text", async () => {
    const world = await webAtV1();
    await world.engine.remove("web-1", { volumes: false });
    world.add("web");
    expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: false });
    expect(world.store.pins()).toMatchObject([{ imageText: "web:v1", deployment: "d1" }]);
    expect(world.calls.at(-1)).toBe("pins web=web:v1");
  });

  test("in a job that has ended with 0", async () => {
    const world = await webAtV1();
    world.lives.set("web:v1", { exits: { after: 0, code: 0 } });
    expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: false });
  });
});

test.each<[string, (world: World) => unknown]>([
  ["its configuration", (world) => world.file.set("web", service("web", { configHash: "another" }))],
  ["its number of containers", (world) => world.file.set("web", service("web", { replicas: 2 }))],
  ["that it runs", (world) => world.stopByHand("web-1")],
  [
    "its Compose label, which another configuration would give",
    (world) => world.add("web", { composeHash: "other" }),
  ],
])("the same image is rolled out when what changed is %s", async (_, change) => {
  const world = await webAtV1();
  change(world);
  expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: true });
});

test("an adopted container whose label says another configuration is replaced", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web", { composeHash: "made from an older file" });
  expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: true });
});

test("an adopted container of the same image under another text and configuration is replaced", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web", { imageId: `id of ${digestOf("something older")}` });
  expect(await deployed(world)).toMatchObject({ status: "succeeded", changed: true });
});

describe("before anything that serves is touched", () => {
  test.each<[string, Wish, (world: World) => void, string, string]>([
    [
      "a service that left the file",
      {},
      (world) => world.file.delete("web"),
      "not_found",
      'unknown service "web"\nwhat serves now: web:v1 in container web-1',
    ],
    [
      "an image that is not allowed",
      { image: "evil:v1" },
      () => undefined,
      "not_deployable",
      'image "evil:v1" is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it\nwhat serves now: web:v1 in container web-1',
    ],
    [
      "an image that the registry does not have",
      { image: "web:v2" },
      (world) =>
        world.before("resolve web:v2", () => {
          throw new DeployerError("image_not_found", "no such image web:v2");
        }),
      "image_not_found",
      "no such image web:v2\nwhat serves now: web:v1 in container web-1",
    ],
    [
      "a pull that breaks off",
      { image: "web:v2" },
      (world) =>
        world.before("pull web:v2", () => {
          throw new DeployerError("registry_unavailable", "cut off");
        }),
      "registry_unavailable",
      "cut off\nwhat serves now: web:v1 in container web-1",
    ],
    [
      "an error of our own, whose words stay in the log",
      { image: "web:v2" },
      (world) =>
        world.before("pull web:v2", () => {
          throw new TypeError("secret words");
        }),
      "internal",
      "internal error\nwhat serves now: web:v1 in container web-1",
    ],
    [
      "a file that names no image",
      {},
      (world) => world.file.set("web", service("web", { image: "not an image" })),
      "compose_file",
      'service "web": "not an image" is not an image reference\nwhat serves now: web:v1 in container web-1',
    ],
  ])("%s ends it: failed", async (_, fields, prepare, code, reason) => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    prepare(world);
    expect(await deployed(world, fields)).toMatchObject({ status: "failed", changed: false, code, reason });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.calls.filter((call) => !/^(?:resolve|progress|pull) /.test(call))).toEqual([]);
  });

  test("Docker that has gone away ends it: failed, and says that nobody knows what serves", async () => {
    const world = await webAtV1();
    world.dockerStops();
    expect(await deployed(world)).toMatchObject({
      status: "failed",
      code: "docker",
      reason: "Docker cannot be reached\nwhat serves now could not be found out: Docker cannot be reached",
    });
  });

  test("the signal ends it before its next step", async () => {
    const world = await webAtV1();
    const stop = new AbortController();
    world.before("resolve web:v2", () => stop.abort(new DeployerError("interrupted", "interrupted")));
    const outcome = await deploy(running("web", { image: "web:v2" }), world, stop.signal);
    expect(outcome).toMatchObject({ status: "failed", code: "interrupted", changed: false });
    expect(world.calls).toEqual(["resolve web:v2"]);
  });
});

test("a pin is dropped when the operator has named another image, and the log says so", async () => {
  const world = await webAtV1();
  await deployed(world, { image: "web:v2" });
  world.file.set("web", service("web", { image: "web:v3" }));
  expect(await deployed(world, { id: "d2" })).toMatchObject({
    status: "succeeded",
    digests: new Map([["web", digestOf("web:v3")]]),
  });
  expect(world.store.pins()).toMatchObject([{ fileImage: "web:v3", deployment: "d2" }]);
  expect(world.log.lines).toContainEqual({
    level: "warn",
    message: "pin dropped: the compose file names another image now",
    fields: {
      service: "web",
      pinned: `web:v2@${digestOf("web:v2")}`,
      image_then: "web:v1",
      image_now: "web:v3",
    },
  });
});
