import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { project as projectOf, service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { dependenciesOf, startDependencies } from "./dependencies.ts";
import { DeployerError } from "./errors.ts";
import type { Dependency, Service } from "./compose.ts";
import type { Container } from "./engine.ts";

const on = (service: string, fields: Partial<Dependency> = {}): Dependency => ({
  service,
  condition: "service_started",
  required: true,
  ...fields,
});
const healthy = { condition: "service_healthy" } as const;
const completed = { condition: "service_completed_successfully" } as const;

async function start(world: World, name = "web", signal = never()): Promise<void> {
  const project = await world.compose.project();
  await startDependencies(project, named(project.services, name), new Map(), world, signal);
}

function named(services: ReadonlyMap<string, Service>, name: string): Service {
  const found = services.get(name);
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** `web` needs `db` as the fields say. */
function webNeedsDb(fields: Partial<Dependency> = {}): World {
  return fakeWorld([service("web", { dependsOn: [on("db", fields)] }), service("db")]);
}

describe("the services that one needs", () => {
  const names = (services: Service[], name: string): string[] => {
    const project = projectOf(services);
    return dependenciesOf(project, named(project.services, name)).map((each) => each.name);
  };

  test("come each after those it needs itself, and once", () => {
    const services = [
      service("web", { dependsOn: [on("api"), on("cache")] }),
      service("api", { dependsOn: [on("db"), on("cache")] }),
      service("cache", { dependsOn: [on("db")] }),
      service("db"),
      service("other"),
    ];
    expect(names(services, "web")).toEqual(["db", "cache", "api"]);
    expect(names(services, "db")).toEqual([]);
  });

  test("are found in a circle too, and those that the file does not have are left out", () => {
    const services = [
      service("a", { dependsOn: [on("b"), on("nowhere")] }),
      service("b", { dependsOn: [on("a")] }),
    ];
    expect(names(services, "a")).toEqual(["b"]);
  });
});

test.each<[string, Partial<Dependency>, Partial<Container>]>([
  ["runs", {}, {}],
  ["runs and differs from the file", {}, { composeHash: "an older file", imageText: "db:v0" }],
  ["runs and is healthy", healthy, { health: "healthy" }],
  ["runs and is unhealthy, as it was before", healthy, { health: "unhealthy" }],
  ["runs without a health check", healthy, {}],
  ["is a job that has ended with 0", {}, { state: "exited" }],
  ["has completed", completed, { state: "exited" }],
  ["has completed, of an image that exposes a port", completed, { state: "exited", exposesPorts: true }],
])("a dependency that %s is left alone", async (_, dependency, container) => {
  const world = webNeedsDb(dependency);
  world.add("db", container);
  await start(world);
  expect(world.calls).toEqual([]);
});

test.each<[string, Partial<Container>]>([
  ["failed", { state: "exited", exitCode: 1 }],
  ["was never started", { state: "created" }],
  ["is a server that was stopped", { state: "exited", exposesPorts: true }],
  ["would be kept up by its policy", { state: "exited", restartPolicy: "always" }],
])("a dependency that %s is started", async (_, container) => {
  const world = webNeedsDb();
  world.add("db", container);
  await start(world);
  expect(world.calls).toEqual(["start db-1"]);
});

test("one without a container is pulled and created first", async () => {
  const world = webNeedsDb();
  await start(world);
  expect(world.calls).toEqual(["pull db:v1", "create db 1", "start db-1"]);
});

test("one whose image is here already is not pulled", async () => {
  const world = webNeedsDb();
  world.images.set("db:v1", "id");
  await start(world);
  expect(world.calls).toEqual(["create db 1", "start db-1"]);
});

test("one that is built here and is not yet says how to build it", async () => {
  const world = fakeWorld([service("web", { dependsOn: [on("db")] }), service("db", { image: undefined })]);
  await expect(start(world)).rejects.toMatchObject({
    code: "image_not_found",
    message: 'image shop-db of service "db" is not built yet: run docker compose build',
  });
});

test("all that are needed are started, the deepest first", async () => {
  const world = fakeWorld([
    service("web", { dependsOn: [on("api")] }),
    service("api", { dependsOn: [on("db")] }),
    service("db"),
  ]);
  await start(world);
  expect(world.calls.filter((call) => call.startsWith("start"))).toEqual(["start db-1", "start api-1"]);
});

describe("waiting", () => {
  test("service_started: it is up, no more", async () => {
    const world = webNeedsDb();
    world.lives.set("db:v1", { healthyAfter: 5_000 });
    const began = world.clock.now();
    await start(world);
    expect(world.clock.now()).toBe(began);
  });

  test("service_healthy: until it is", async () => {
    const world = webNeedsDb(healthy);
    world.lives.set("db:v1", { healthyAfter: 5_000 });
    const began = world.clock.now();
    await start(world);
    expect(world.clock.now() - began).toBe(5_000);
  });

  test("service_healthy: also for one that somebody else has started a moment ago", async () => {
    const world = webNeedsDb(healthy);
    world.lives.set("db:v1", { healthyAfter: 5_000 });
    world.add("db");
    const began = world.clock.now();
    await start(world);
    expect(world.calls).toEqual([]);
    expect(world.clock.now() - began).toBe(5_000);
  });

  test("service_completed_successfully: until it has ended with 0", async () => {
    const world = webNeedsDb(completed);
    world.lives.set("db:v1", { exits: { after: 7_000, code: 0 }, exposesPorts: true });
    const began = world.clock.now();
    await start(world);
    expect(world.clock.now() - began).toBe(7_000);
  });

  test("service_completed_successfully: also for one that runs already, without a second start", async () => {
    const world = webNeedsDb(completed);
    world.lives.set("db:v1", { exits: { after: 7_000, code: 0 } });
    world.add("db");
    const began = world.clock.now();
    await start(world);
    expect(world.calls).toEqual([]);
    expect(world.clock.now() - began).toBe(7_000);
  });

  test.each<[string, Partial<Dependency>, Parameters<World["lives"]["set"]>[1], string]>([
    ["ends with 1", completed, { exits: { after: 500, code: 1 } }, "exited with code 1"],
    [
      "exits before it is healthy",
      healthy,
      { healthyAfter: 9_000, exits: { after: 500, code: 2 } },
      "exited with code 2",
    ],
    ["turns unhealthy", healthy, { healthyAfter: 900_000, unhealthyAfter: 3_000 }, "is unhealthy"],
    ["takes too long", healthy, { healthyAfter: 900_000 }, "did not reach service_healthy within 120 s"],
    ["never ends", completed, {}, "did not reach service_completed_successfully within 120 s"],
  ])("fails when it %s", async (_, dependency, life, what) => {
    const world = webNeedsDb(dependency);
    world.lives.set("db:v1", life);
    await expect(start(world)).rejects.toMatchObject({
      code: "rollout",
      message: `dependency "db" (container db-1) ${what}`,
    });
  });

  test("fails when somebody removes it", async () => {
    const world = webNeedsDb(healthy);
    world.lives.set("db:v1", { healthyAfter: 900_000 });
    world.clock.at(1_000, () => void world.engine.remove("db-1", { volumes: false }));
    await expect(start(world)).rejects.toThrow(
      'dependency "db" (container db-1) was removed by somebody else',
    );
  });

  test("ends with the signal", async () => {
    const world = webNeedsDb(healthy);
    world.lives.set("db:v1", { healthyAfter: 900_000 });
    const stop = new AbortController();
    world.clock.at(1_000, () => stop.abort(new DeployerError("interrupted", "stopped")));
    await expect(start(world, "web", stop.signal)).rejects.toThrow("stopped");
  });
});

describe("an optional dependency", () => {
  test("that cannot be started only leaves a warning", async () => {
    const world = webNeedsDb({ required: false });
    world.add("db", { state: "exited", exitCode: 1 });
    world.fail("start db-1", "port is already allocated");
    await start(world);
    expect(world.log.lines).toContainEqual({
      level: "warn",
      message: "optional dependency did not start",
      fields: { service: "web", dependency: "db", reason: "port is already allocated" },
    });
  });

  test("whose own dependency cannot be started only leaves a warning, too", async () => {
    const world = fakeWorld([
      service("web", { dependsOn: [on("api", { required: false })] }),
      service("api", { dependsOn: [on("db")] }),
      service("db"),
    ]);
    world.fail("pull db:v1");
    await start(world);
    expect(world.ps()).toEqual([]);
  });

  test("does not hide the signal", async () => {
    const world = webNeedsDb({ ...healthy, required: false });
    world.lives.set("db:v1", { healthyAfter: 900_000 });
    const stop = new AbortController();
    world.clock.at(1_000, () => stop.abort(new DeployerError("interrupted", "stopped")));
    await expect(start(world, "web", stop.signal)).rejects.toThrow("stopped");
  });
});

test("a dependency that is being deployed is waited for, and then left alone", async () => {
  const world = webNeedsDb();
  world.add("db", { state: "exited", exitCode: 143 });
  const deployed = Promise.withResolvers<void>();
  const deployment = world.inTurn("db", async () => {
    await deployed.promise;
    await world.engine.start("db-1");
  });
  const started = start(world);
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.calls).toEqual([]);
  deployed.resolve();
  await Promise.all([deployment, started]);
  expect(world.calls).toEqual(["start db-1"]);
});
