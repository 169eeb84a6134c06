import { describe, expect, test } from "bun:test";

import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Outcome } from "./deployment.ts";
import type { Service } from "./compose.ts";

/** `web:v1` was deployed as `v1`, then `web:v2` as `v2`, and so on. */
async function deployedUpTo(newest: number, fields: Partial<Service> = {}): Promise<World> {
  const world = fakeWorld([service("web", fields)]);
  for (let n = 1; n <= newest; n += 1) {
    const outcome = await deployIn(world, "web", { id: `v${n}`, image: `web:v${n}` });
    expect(outcome.status).toBe("succeeded");
  }
  return world;
}

const rollBack = (world: World): Promise<Outcome> => deployIn(world, "web", { id: "r1", kind: "rollback" });

describe("the configuration of a rollback", () => {
  test("is the one of then, and the next deployment takes that of the file", async () => {
    const world = await deployedUpTo(1, { configHash: "then" });
    world.file.set("web", service("web", { configHash: "now" }));
    await deployIn(world, "web", { id: "v2", image: "web:v2" });
    expect(await rollBack(world)).toMatchObject({ status: "succeeded" });
    const hash = async (): Promise<string | undefined> =>
      (await world.engine.containers("shop"))[0]?.composeHash;
    expect(await hash()).toStartWith("then, web:v1@");
    expect(await deployIn(world, "web", { id: "v3", image: "web:v1" })).toMatchObject({ changed: true });
    expect(await hash()).toStartWith("now, web:v1@");
  });

  test("is the one of then though the image is the same", async () => {
    const world = await deployedUpTo(1, { configHash: "then" });
    world.file.set("web", service("web", { configHash: "now" }));
    await deployIn(world, "web", { id: "v2", image: "web:v1" });
    expect(await rollBack(world)).toMatchObject({ status: "succeeded", changed: true });
    expect((await world.engine.containers("shop"))[0]?.composeHash).toStartWith("then, ");
  });

  test("brings its number of containers", async () => {
    const world = await deployedUpTo(1, { replicas: 2 });
    world.file.set("web", service("web", { configHash: "now", replicas: 1 }));
    await deployIn(world, "web", { id: "v2", image: "web:v2" });
    expect(world.ps()).toHaveLength(1);
    expect(await rollBack(world)).toMatchObject({ status: "succeeded" });
    expect(world.ps()).toEqual(["web-4 running web:v1", "web-5 running web:v1"]);
  });

  const health = (path: string, timeoutMs: number) =>
    settings({
      health: { path, host: undefined, headers: {}, status: { from: 200, to: 399 } },
      port: 80,
      timeoutMs,
    });

  test("brings its settings: it is judged by its own health check, its strategy and its watch", async () => {
    const then = { ...health("/then", 5_000), strategy: "rolling", watchMs: 4_000 } as const;
    const world = await deployedUpTo(1, { settings: then });
    world.file.set("web", service("web", { configHash: "now", settings: health("/now", 90_000) }));
    await deployIn(world, "web", { id: "v2", image: "web:v2" });
    const asked = new Set<string>();
    const probe: World["probe"] = {
      async status(address, port, request, deadlineMs) {
        asked.add(request.path);
        return await world.probe.status(address, port, request, deadlineMs);
      },
    };
    expect(await rollBack({ ...world, probe })).toMatchObject({ status: "succeeded" });
    expect([...asked]).toEqual(["/then"]);
    expect(toldIn(world, "r1")).toContain("strategy: web: rolling, x-deployer.strategy is rolling");
    expect(toldIn(world, "r1")).toContain("watching: all passed; watching web for 4 s");
  });

  test("brings no settings to the way back from it: what ran is judged by its own", async () => {
    const world = await deployedUpTo(1, { settings: health("/then", 5_000) });
    world.file.set("web", service("web", { configHash: "now", settings: health("/now", 90_000) }));
    await deployIn(world, "web", { id: "v2", image: "web:v2" });
    world.lives.set("web:v1", { http: () => 500 });
    const asked: string[] = [];
    const probe: World["probe"] = {
      async status(address, port, request, deadlineMs) {
        asked.push(request.path);
        return await world.probe.status(address, port, request, deadlineMs);
      },
    };
    const began = world.clock.now();
    expect(await rollBack({ ...world, probe })).toMatchObject({ status: "rolled_back", code: "unhealthy" });
    expect(world.clock.now() - began).toBeLessThan(7_000);
    expect(asked.at(0)).toBe("/then");
    expect(asked.at(-1)).toBe("/now");
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("that is gone is said, and nothing is touched", async () => {
    const world = await deployedUpTo(2);
    world.recordings.clear();
    expect(await rollBack(world)).toMatchObject({
      status: "failed",
      code: "compose_file",
      changed: false,
      reason: expect.stringContaining("no recorded configuration"),
    });
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });
});
