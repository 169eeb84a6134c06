import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { resumeIn } from "../../test/fakes/deploying.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Service } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";

const NAMED = { containerName: "the-web" };

/** `web:v1` runs in a container that Compose has to replace, or that has ended; the deployment of `web:v2` is on disk. */
function shop(fields: Partial<Service> = NAMED, container: Partial<Container> = {}): World {
  const world = fakeWorld([service("web", fields)]);
  world.add("web", container);
  world.store.insert(running("web", { image: "web:v2" }));
  return world;
}

const deployIn = (ports: Ports) => deploy(running("web", { image: "web:v2" }), ports, never());

/** Compose has done its work, and nobody has been told. */
async function killedAfterRecreate(world: World): Promise<void> {
  const done = Promise.withResolvers<void>();
  const recreate: World["compose"]["recreate"] = async (...args) => {
    await world.compose.recreate(...args);
    done.resolve();
    await new Promise(() => undefined);
  };
  void deployIn({ ...world, compose: { ...world.compose, recreate } });
  await done.promise;
  world.calls.length = 0;
}

describe("what Compose had replaced when the daemon was killed", () => {
  test("is not replaced once more", async () => {
    const world = shop();
    await killedAfterRecreate(world);
    expect(await resumeIn(world)).toMatchObject({ status: "succeeded" });
    expect(world.calls.filter((call) => call.startsWith("recreate"))).toEqual([]);
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
    expect(world.store.origin("web-2")).toBeDefined();
  });

  test("keeps the volume that only Compose hands on", async () => {
    const world = shop({}, { anonymousVolumes: ["data"] });
    await killedAfterRecreate(world);
    expect(await resumeIn(world)).toMatchObject({ status: "succeeded" });
    expect(await world.engine.containers("shop")).toMatchObject([
      { id: "web-2", state: "running", anonymousVolumes: ["data"] },
    ]);
  });

  test("and does not come up is made again from the configuration that ran, not from the file of now", async () => {
    const world = shop();
    await killedAfterRecreate(world);
    world.file.set("web", service("web", { ...NAMED, configHash: "edited since" }));
    world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await resumeIn(world)).toMatchObject({
      status: "rolled_back",
      reason: expect.stringContaining("what serves now: web:v1 in container web-3"),
    });
    expect(await world.engine.containers("shop")).toMatchObject([
      { state: "running", composeHash: "config of web, web:v1" },
    ]);
  });

  test("and a person had stopped before is made again and not started", async () => {
    const world = shop({}, { anonymousVolumes: ["data"] });
    world.stopByHand("web-1");
    await killedAfterRecreate(world);
    world.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await resumeIn(world)).toMatchObject({ status: "failed", changed: false });
    expect(await world.engine.containers("shop")).toMatchObject([
      { imageText: "web:v1", state: "created", anonymousVolumes: ["data"] },
    ]);
  });

  test("half of two is replaced once more, none stays twice", async () => {
    const world = shop({ replicas: 2 }, { anonymousVolumes: ["data"] });
    world.add("web");
    await world.killedAt("recreate web", deployIn);
    await world.engine.remove("web-1", { volumes: false });
    world.add("web", { state: "created", imageText: "web:v2" });
    expect(await resumeIn(world)).toMatchObject({ status: "succeeded" });
    expect(world.ps().map((line) => line.split(" ").slice(1).join(" "))).toEqual([
      "running web:v2",
      "running web:v2",
    ]);
  });
});
