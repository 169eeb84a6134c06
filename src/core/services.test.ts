import { expect, test } from "bun:test";

import { START } from "../../test/fakes/clock.ts";
import { commitOf } from "../../test/fakes/commit.ts";
import { queued } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Service } from "./compose.ts";
import { createServices, type ServiceState } from "./services.ts";

const STARTED = new Date(START).toISOString();

function shop(fields: Partial<Service> = {}): World {
  return fakeWorld([service("web", fields)]);
}

async function web(world: World): Promise<ServiceState> {
  const [state] = await createServices(world)();
  if (state === undefined) throw new Error("no service");
  return state;
}

/** `web:v2`, rolled out by deployment d1. */
function deployed(fields: Partial<Service> = {}): World {
  const world = shop(fields);
  commit(world, "d1", "v2");
  return world;
}

/** As a deployment leaves it: its container beside those there are, and committed. */
function commit(world: World, deployment: string, tag: string, fileImage = "web:v1"): void {
  const digest = digestOf(`web:${tag}`);
  const { id, imageText, imageId } = world.add("web", { imageText: `web:${tag}@${digest}` });
  world.store.insert(queued(deployment));
  const configHash = "config of web";
  const version = { imageText, imageId, fileImage, digest, configHash, committedAt: START };
  world.store.commit([commitOf(deployment, { ...version, containers: [id] })]);
}

const kinds = async (world: World): Promise<string[]> => (await web(world)).drift.map(({ kind }) => kind);

test("one that runs as the compose file says", async () => {
  const world = shop();
  world.add("web", { health: "healthy" });
  expect(await web(world)).toEqual({
    name: "web",
    state: "running",
    health: "healthy",
    replicas: { wanted: 1, running: 1 },
    wanted: { image: "web:v1", digest: undefined },
    running: { image: "web:v1", digest: undefined, imageId: `id of ${digestOf("web:v1")}` },
    since: STARTED,
    exitCode: undefined,
    deployment: undefined,
    drift: [],
    versions: [],
    edge: undefined,
  });
});

test("what it can go back to is the last committed first, with whether its image is still here", async () => {
  const world = deployed();
  commit(world, "d2", "v3");
  world.images.delete(`web@${digestOf("web:v2")}`);
  const version = (deployment: string, tag: string) => ({
    deployment,
    imageText: `web:${tag}@${digestOf(`web:${tag}`)}`,
    digest: digestOf(`web:${tag}`),
    committedAt: START,
  });
  expect((await web(world)).versions).toEqual([
    { ...version("d2", "v3"), image: "present", isCurrent: true },
    { ...version("d1", "v2"), image: "missing", isCurrent: false },
  ]);
});

test("a version is here too when only its name tells so, and none is current once the operator has decided anew", async () => {
  const world = deployed();
  const [known] = world.store.versions("web");
  if (known === undefined) throw new Error("no version");
  world.store.commit([commitOf("d1", { ...known, imageId: "" })]);
  world.file.set("web", service("web", { image: "web:v9" }));
  expect((await web(world)).versions).toMatchObject([{ image: "present", isCurrent: false }]);
});

test("one that was deployed names its deployment and digest", async () => {
  const image = `web:v2@${digestOf("web:v2")}`;
  expect(await web(deployed())).toMatchObject({
    state: "running",
    wanted: { image, digest: digestOf("web:v2") },
    running: { image, digest: digestOf("web:v2") },
    since: STARTED,
    deployment: "d1",
    drift: [],
  });
});

test("one without a container, though the file wants one", async () => {
  expect(await web(shop())).toMatchObject({
    state: "none",
    health: undefined,
    replicas: { wanted: 1, running: 0 },
    running: undefined,
    since: undefined,
    drift: [{ kind: "no_container", text: "it should run and has no container" }],
  });
});

test("one that nobody wants to run has no drift without a container", async () => {
  expect(await kinds(shop({ startedByDefault: false }))).toEqual([]);
  expect(await kinds(shop({ replicas: 0 }))).toEqual([]);
});

test("one that was deployed is wanted, whatever its profile", async () => {
  const world = deployed({ startedByDefault: false });
  const containers = await world.engine.containers("shop");
  for (const { id } of containers) await world.engine.remove(id, { volumes: false });
  expect(await kinds(world)).toEqual(["no_container"]);
});

test("one that is stopped says how it ended", async () => {
  const world = shop();
  world.stopByHand(world.add("web").id);
  expect(await web(world)).toMatchObject({
    state: "stopped",
    health: undefined,
    replicas: { wanted: 1, running: 0 },
    since: undefined,
    exitCode: 143,
    drift: [],
  });
});

test("an image text that the operator has changed since the deployment", async () => {
  const world = deployed();
  world.file.set("web", service("web", { image: "web:v3" }));
  expect(await web(world)).toMatchObject({
    wanted: { image: "web:v3", digest: undefined },
    running: { digest: digestOf("web:v2") },
    deployment: undefined,
    drift: [
      { kind: "image", text: "the compose file said web:v1 when it was deployed, and says web:v3 now" },
    ],
  });
  expect(world.store.pins()).toHaveLength(1);
});

test("another image than the deployed one, put there by hand", async () => {
  const world = deployed();
  const [container] = await world.engine.containers("shop");
  await world.engine.remove(container?.id ?? "", { volumes: false });
  world.add("web");
  expect(await web(world)).toMatchObject({
    running: { image: "web:v1" },
    drift: [{ kind: "image", text: `it should run web:v2@${digestOf("web:v2")} and runs web:v1` }],
  });
});

test("a configuration that has changed in the file, of a container of ours and of one that Compose made", async () => {
  const ours = deployed();
  ours.file.set("web", service("web", { configHash: "another" }));
  expect(await kinds(ours)).toEqual(["configuration"]);
  const theirs = shop();
  theirs.add("web");
  theirs.file.set("web", service("web", { configHash: "another" }));
  expect(await kinds(theirs)).toEqual(["configuration"]);
});

test("more or fewer containers than the file wants", async () => {
  const world = shop({ replicas: 2 });
  world.add("web");
  expect(await web(world)).toMatchObject({
    replicas: { wanted: 2, running: 1 },
    drift: [{ kind: "replicas", text: "it should have 2 containers and has 1" }],
  });
  world.add("web");
  expect(await kinds(world)).toEqual([]);
  world.stopByHand(world.add("web").id);
  expect(await web(world)).toMatchObject({ replicas: { running: 2 }, drift: [{ kind: "replicas" }] });
});

test("containers of docker compose run are not counted", async () => {
  const world = shop();
  world.add("web", { oneOff: true });
  expect(await web(world)).toMatchObject({ state: "none" });
});

test("of several containers the worst health and the longest life are shown", async () => {
  const world = shop({ replicas: 3 });
  world.add("web", { health: "healthy", startedAt: "2026-11-23T11:00:00Z" });
  world.add("web", { health: "unhealthy", startedAt: "2026-11-23T10:00:00Z" });
  world.add("web", { health: "starting", startedAt: "2026-11-23T11:30:00Z" });
  expect(await web(world)).toMatchObject({ health: "unhealthy", since: "2026-11-23T10:00:00Z" });
});

test("it looks and changes nothing, and asks Docker twice and Compose no more than once about each container", async () => {
  const world = shop({ replicas: 2 });
  world.add("web");
  world.add("web");
  world.file.set("web", service("web", { replicas: 2, configHash: "another" }));
  let lists = 0;
  let labels = 0;
  const counting: World = {
    ...world,
    engine: {
      ...world.engine,
      containers: (name) => ((lists += 1), world.engine.containers(name)),
      images: () => ((lists += 1), world.engine.images()),
    },
    compose: { ...world.compose, labelHash: (...of) => ((labels += 1), world.compose.labelHash(...of)) },
  };
  const services = createServices(counting);
  for (let n = 0; n < 3; n += 1) await services();
  expect([lists, labels, world.calls]).toEqual([6, 1, []]);
});

test("Docker that cannot be reached is an error, not an empty answer", async () => {
  const world = shop();
  world.dockerStops();
  expect(createServices(world)()).rejects.toMatchObject({ code: "docker" });
});
