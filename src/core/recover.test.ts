import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import { accept, begin, end } from "./deployment.ts";
import type { Service } from "./ports.ts";
import { recover } from "./recover.ts";

/** The daemon is killed just before a call, in the middle of bringing `web` from v1 to v2. */
async function killedAt(call: string, fields: Partial<Service> = {}): Promise<World> {
  const world = fakeWorld([service("web", fields)]);
  world.add("web");
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  await world.killedAt(call, () => deploy(deployment, world, never()));
  return world;
}

const interrupted = (detail: string) => ({
  status: "failed",
  code: "interrupted",
  reason: `interrupted: the daemon stopped before the deployment could end\n${detail}`,
});

describe("a deployment that the last run left unfinished", () => {
  test("queued: it is left to the worker", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    const queued = accept("d1", { service: "web", image: undefined, force: false }, "me", 1);
    world.store.insert(queued);
    await recover(world);
    expect(world.store.find("d1")).toEqual(queued);
    expect(world.calls).toEqual([]);
  });

  test("just begun: nothing was touched", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    world.store.insert(begin(accept("d1", { service: "web", image: undefined, force: false }, "me", 1), 1));
    await recover(world);
    expect(world.store.find("d1")).toMatchObject({
      ...interrupted("nothing was touched"),
      changed: false,
      endedAt: world.clock.now(),
    });
    expect(world.calls).toEqual([]);
  });

  test("while it pulled: nothing was touched", async () => {
    const world = await killedAt("pull web:v2");
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted("nothing was touched"));
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.calls).toEqual([]);
  });

  test("before its candidate was created: the old one runs on", async () => {
    const world = await killedAt("create web 2");
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-1"));
    expect(world.calls).toEqual([]);
  });

  test("while the old one may be stopping: its stop is finished, then it is started again", async () => {
    const world = await killedAt("stop web-1");
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-1"));
    expect(world.calls).toEqual(["stop web-1", "stop web-2", "remove web-2 with volumes", "start web-1"]);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("before the candidate was started: it is removed, the old one started", async () => {
    const world = await killedAt("start web-2");
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-1"));
    expect(world.calls).toEqual(["stop web-2", "remove web-2 with volumes", "start web-1"]);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("while the candidate was watched: the same", async () => {
    const world = await killedAt("start web-2");
    await world.engine.start("web-2");
    await recover(world);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test.each(["pins web=web:v2", "remove web-1"])(
    "after it was committed, at %s: it succeeded, and is tidied up",
    async (call) => {
      const world = await killedAt(call);
      await recover(world);
      expect(world.store.find("d1")).toMatchObject({
        status: "succeeded",
        changed: true,
        digest: digestOf("web:v2"),
        reason: "",
        code: undefined,
      });
      expect(world.ps()).toEqual(["web-2 running web:v2"]);
      expect(world.store.pins()).toMatchObject([{ deployment: "d1" }]);
    },
  );

  test("recreated by Compose, the old one gone: it is made again from its recorded configuration", async () => {
    const world = await killedAt("start web-2", { containerName: "the-web" });
    world.file.set("web", service("web", { containerName: "the-web", configHash: "edited since" }));
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-3"));
    expect(world.ps()).toEqual(["web-3 running web:v1"]);
    expect((await world.engine.containers("shop"))[0]?.composeHash).toBe("config of web, web:v1");
  });

  test("recreated by Compose, and a person had stopped it before: it is made again and not started", async () => {
    const world = fakeWorld([service("web", { containerName: "the-web" })]);
    world.add("web", { anonymousVolumes: ["data"] });
    world.stopByHand("web-1");
    const deployment = running("web", { image: "web:v2" });
    world.store.insert(deployment);
    await world.killedAt("start web-2", () => deploy(deployment, world, never()));
    await recover(world);
    expect(world.ps()).toEqual(["web-3 created web:v1"]);
    expect((await world.engine.containers("shop"))[0]?.anonymousVolumes).toEqual(["data"]);
  });

  test("the first of its service: nothing of it stays", async () => {
    const world = fakeWorld([service("web")]);
    const deployment = running("web");
    world.store.insert(deployment);
    await world.killedAt("start web-1", () => deploy(deployment, world, never()));
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(
      interrupted('what serves now: nothing, "web" has no container'),
    );
    expect(world.ps()).toEqual([]);
  });

  test("of a service that has left the file meanwhile: it goes back all the same", async () => {
    const world = await killedAt("stop web-1");
    world.file.delete("web");
    await recover(world);
    expect(world.store.find("d1")).toMatchObject(interrupted('the compose file has no service "web"'));
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("whose old container cannot be started: rollback_failed, and the others are closed too", async () => {
    const world = await killedAt("start web-2");
    world.store.insert(running("web", { id: "d2", createdAt: running("web").createdAt + 1 }));
    world.fail("start web-1", "port is already allocated");
    await recover(world);
    const ended = world.store.find("d1");
    expect(ended).toMatchObject({ status: "rollback_failed", changed: true, code: "interrupted" });
    expect(ended?.reason).toBe(
      'interrupted: the daemon stopped before the deployment could end\nport is already allocated\nwhat serves now: nothing, container web-1 of "web" exited with code 143',
    );
    expect(world.store.find("d2")).toMatchObject(interrupted("nothing was touched"));
  });
});

test("Docker going away in the middle decides nothing: the recovery is done again", async () => {
  const world = await killedAt("start web-2");
  world.before("start web-1", () => world.dockerStops());
  await expect(recover(world)).rejects.toMatchObject({ code: "docker" });
  expect(world.store.find("d1")?.status).toBe("running");

  world.dockerStarts();
  world.before("start web-1", () => undefined);
  await recover(world);
  expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-1"));
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});

test("a second crash in the middle of the recovery changes nothing of its result", async () => {
  const world = await killedAt("start web-2");
  await world.killedAt("start web-1", () => recover(world));
  await recover(world);
  expect(world.store.find("d1")).toMatchObject(interrupted("what serves now: web:v1 in container web-1"));
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});

test("what has ended is left alone", async () => {
  const world = fakeWorld([service("web")]);
  const ended = end(
    running("web"),
    { status: "rolled_back", digest: undefined, reason: "why", code: "rollout", changed: false },
    5,
  );
  world.store.insert(ended);
  await recover(world);
  expect(world.store.find("d1")).toEqual(ended);
});
