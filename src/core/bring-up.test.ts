import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { deploy } from "./deploy.ts";
import { DeployerError } from "./errors.ts";

function up(world: World, comeBack: string[] = []): Promise<Map<string, string>> {
  return bringUp(new Set(comeBack), world, never());
}

const on = (service: string, condition: "service_started" | "service_healthy" = "service_started") => ({
  service,
  condition,
  required: true,
});

describe("on a fresh host", () => {
  test("every service that a plain up would start is pulled, created and started, dependencies first", async () => {
    const world = fakeWorld([
      service("web", { dependsOn: [on("db")] }),
      service("db", { replicas: 2 }),
      service("tool", { startedByDefault: false }),
      service("none", { replicas: 0 }),
    ]);
    expect(await up(world)).toEqual(new Map());
    expect(world.calls).toEqual([
      "pins",
      "pull db:v1",
      "create db 2",
      "start db-1",
      "start db-2",
      "pull web:v1",
      "create web 1",
      "start web-1",
    ]);
  });

  test("a dependency is waited for as its condition says", async () => {
    const world = fakeWorld([service("web", { dependsOn: [on("db", "service_healthy")] }), service("db")]);
    world.lives.set("db:v1", { healthyAfter: 8_000 });
    const began = world.clock.now();
    world.before("start web-1", () => expect(world.clock.now() - began).toBe(8_000));
    expect(await up(world)).toEqual(new Map());
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 running web:v1"]);
  });

  test("a service is brought up whose rolling would be refused, and the log says that it would be", async () => {
    const world = fakeWorld([
      service("web", {
        rollingObstacles: ["publishes host port 80"],
        settings: settings({ strategy: "rolling" }),
      }),
      service("db", { rollingObstacles: ["mounts volume data for writing"] }),
    ]);
    expect(await up(world)).toEqual(new Map());
    expect(world.log.lines.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
      'service "web": x-deployer.strategy: rolling is not possible: publishes host port 80',
    ]);
    expect(world.ps()).toEqual(["web-1 running web:v1", "db-1 running db:v1"]);
  });

  test("nothing is ever built", async () => {
    const world = fakeWorld([service("local", { image: undefined })]);
    expect(await up(world)).toEqual(
      new Map([["local", 'image shop-local of service "local" is not built yet: run docker compose build']]),
    );
    world.images.set("shop-local", "id");
    expect(await up(world)).toEqual(new Map());
    expect(world.ps()).toEqual(["local-1 running shop-local"]);
  });

  test("one service that cannot start does not stop the others", async () => {
    const world = fakeWorld([service("bad"), service("web")]);
    world.before("pull bad:v1", () => {
      throw new DeployerError("image_not_found", "no such image bad:v1");
    });
    expect(await up(world)).toEqual(new Map([["bad", "no such image bad:v1"]]));
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("what was created and could not be started is started the next time", async () => {
    const world = fakeWorld([service("web")]);
    world.lives.set("web:v1", { cannotStart: "port is already allocated" });
    expect(await up(world)).toEqual(new Map([["web", "port is already allocated"]]));
    expect(await up(world)).toEqual(new Map([["web", "port is already allocated"]]));
    world.lives.clear();
    expect(await up(world)).toEqual(new Map());
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });
});

describe("a service that has a container", () => {
  test.each([
    ["runs", {}],
    ["was stopped by a person", { state: "exited", exitCode: 143 }],
    ["is a job that ended with 0", { state: "exited" }],
    ["differs from the file", { composeHash: "older", imageText: "web:v0" }],
  ] as const)("and %s is left alone", async (_, fields) => {
    const world = fakeWorld([service("web")]);
    world.add("web", fields);
    expect(await up(world)).toEqual(new Map());
    expect(world.calls).toEqual(["pins"]);
  });

  test("and a candidate beside it that was never started is left alone", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    world.add("web", { state: "created" });
    await up(world);
    expect(world.calls).toEqual(["pins"]);
  });

  test("and ran before the host went down is started, the same container, without looking at the file", async () => {
    const world = fakeWorld([service("web"), service("tool", { startedByDefault: false })]);
    world.add("web", { state: "exited", exitCode: 137 });
    world.add("tool", { state: "exited", exitCode: 0, exposesPorts: true });
    world.file.set("web", service("web", { configHash: "edited", image: "web:v9" }));
    const comeBack = new Set(["web-1", "tool-1", "gone-1"]);
    expect(await bringUp(comeBack, world, never())).toEqual(new Map());
    expect(world.calls).toEqual(["pins", "start web-1", "start tool-1"]);
    expect([...comeBack]).toEqual(["gone-1"]);
  });

  test("and one of two that ran is the only one started", async () => {
    const world = fakeWorld([service("web", { replicas: 2 })]);
    world.add("web", { state: "exited", exitCode: 143 });
    world.add("web", { state: "exited", exitCode: 137 });
    await up(world, ["web-2"]);
    expect(world.ps()).toEqual(["web-1 exited web:v1", "web-2 running web:v1"]);
  });

  test("and cannot be started stays to be brought back", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web", { state: "exited", exitCode: 137 });
    world.fail("start web-1");
    const comeBack = new Set(["web-1"]);
    expect(await bringUp(comeBack, world, never())).toEqual(new Map([["web", "Docker says no"]]));
    expect([...comeBack]).toEqual(["web-1"]);
  });
});

describe("a service that we deployed", () => {
  async function deployedThenLost(startedByDefault = true): Promise<World> {
    const world = fakeWorld([service("web", { startedByDefault, configHash: "then" })]);
    await deploy(running("web", { image: "web:v2" }), world, never());
    await world.engine.remove("web-1", { volumes: false });
    world.file.set("web", service("web", { startedByDefault, configHash: "edited since" }));
    world.calls.length = 0;
    return world;
  }

  test("and has lost its container is made as it was, not as the file says now", async () => {
    const world = await deployedThenLost();
    expect(await up(world)).toEqual(new Map());
    expect(world.calls).toEqual(["pins web=web:v2", "create web 1", "start web-2"]);
    const [container] = await world.engine.containers("shop");
    expect(container).toMatchObject({
      imageText: `web:v2@${digestOf("web:v2")}`,
      composeHash: `then, web:v2@${digestOf("web:v2")}`,
    });
  });

  test("and adopted under a tag alone does not come back as what the tag has become", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    await deploy(running("web"), world, never());
    await world.engine.remove("web-1", { volumes: false });
    world.images.set("web:v1", "id of something newer");
    const failures = await up(world);
    expect(failures.get("web")).toContain("web:v1 is another image on this host: deploy it again");
    expect(world.ps()).toEqual([]);
  });

  test("has its image pulled again, the very digest, when that is gone", async () => {
    const world = await deployedThenLost();
    world.images.clear();
    world.tags.set("web:v2", digestOf("something newer"));
    expect(await up(world)).toEqual(new Map());
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
    expect((await world.engine.containers("shop"))[0]?.imageId).toBe(`id of ${digestOf("web:v2")}`);
  });

  test("comes back although a plain up would not start it", async () => {
    const world = await deployedThenLost(false);
    await up(world);
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("is made as the file says when the operator has named another image", async () => {
    const world = await deployedThenLost();
    world.file.set("web", service("web", { image: "web:v3" }));
    await up(world);
    expect(world.ps()).toEqual(["web-2 running web:v3"]);
    expect(world.store.pins()).toEqual([]);
  });
});

test("what a deployment replaced and could not remove is removed, also when Docker has started it again", async () => {
  const world = fakeWorld([service("web")]);
  world.add("web", { restartPolicy: "always" });
  world.fail("remove web-1");
  await deploy(running("web", { image: "web:v2" }), world, never());
  world.before("remove web-1", () => undefined);
  world.dockerStops();
  world.dockerStarts();
  expect(await up(world, ["web-1", "web-2"])).toEqual(new Map());
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
});

test("a service that is being deployed is left until that has ended", async () => {
  const world = fakeWorld([service("web")]);
  const deployed = Promise.withResolvers<void>();
  const deployment = world.inTurn("web", async () => {
    await deployed.promise;
    world.add("web");
  });
  const broughtUp = up(world);
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.calls).toEqual(["pins"]);
  deployed.resolve();
  await Promise.all([deployment, broughtUp]);
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});

test("the signal ends it", async () => {
  const world = fakeWorld([service("db"), service("web")]);
  const stop = new AbortController();
  world.before("pull db:v1", () => stop.abort(new DeployerError("interrupted", "stopped")));
  await expect(bringUp(new Set(), world, stop.signal)).rejects.toThrow("stopped");
  expect(world.ps()).toEqual([]);
});
