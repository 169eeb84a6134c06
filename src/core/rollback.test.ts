import { describe, expect, test } from "bun:test";

import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
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

const rollBack = (world: World, fields: Partial<Deployment> = {}): Promise<Outcome> =>
  deployIn(world, "web", { id: "r1", kind: "rollback", ...fields });

function registryIsDown(world: World, tag: string): void {
  for (const call of [`resolve ${tag}`, `pull ${tag}`])
    world.before(call, () => {
      throw new DeployerError("registry_unavailable", "the registry does not answer");
    });
}

describe("a rollback", () => {
  test("goes to the version before, by its digest, and asks no registry", async () => {
    const world = await deployedUpTo(2);
    registryIsDown(world, "web:v1");
    expect(await rollBack(world)).toEqual({
      status: "succeeded",
      changed: true,
      digests: new Map([["web", digestOf("web:v1")]]),
      diagnoses: [],
      reason: "",
      code: undefined,
    });
    expect(stepsOf(world.calls)).toEqual([
      "create web 2",
      "progress switching",
      "stop web-2",
      "start web-3",
      "commit web",
      "pins web=web:v1",
      "remove web-2",
    ]);
    expect(world.store.pins()).toMatchObject([
      { imageText: `web:v1@${digestOf("web:v1")}`, digest: digestOf("web:v1"), deployment: "r1" },
    ]);
  });

  test("runs no before command: an old migration knows nothing of what came after it", async () => {
    const world = await deployedUpTo(2);
    for (const recorded of world.recordings.values())
      for (const [name, each] of recorded)
        recorded.set(name, { ...each, settings: settings({ before: [["migrate"]] }) });
    expect(await rollBack(world)).toMatchObject({ status: "succeeded" });
    expect(world.calls.filter((call) => call.startsWith("run "))).toEqual([]);
  });

  test("once more goes back one more, not to what was left", async () => {
    const world = await deployedUpTo(3);
    await rollBack(world);
    expect(await rollBack(world, { id: "r2" })).toMatchObject({ status: "succeeded" });
    expect(world.ps()).toEqual([expect.stringContaining("running web:v1")]);
  });

  test("goes to the version of the deployment that is named, forward too", async () => {
    const world = await deployedUpTo(3);
    expect(await rollBack(world, { to: "v1" })).toMatchObject({ status: "succeeded" });
    expect(world.ps()).toEqual(["web-4 running web:v1"]);
    expect(await rollBack(world, { id: "r2", to: "v3" })).toMatchObject({ status: "succeeded" });
    expect(world.ps()).toEqual(["web-5 running web:v3"]);
    expect(toldIn(world, "r2")).toContain(
      `resolved: to go back to: web:v3@${digestOf("web:v3")} of deployment v3`,
    );
  });

  test("to what runs already changes nothing", async () => {
    const world = await deployedUpTo(2);
    expect(await rollBack(world, { to: "v2" })).toMatchObject({ status: "succeeded", changed: false });
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("is gated as any deployment: one that fails goes back to what ran", async () => {
    const world = await deployedUpTo(2);
    world.lives.set("web:v1", { exits: { after: 500, code: 9 } });
    expect(await rollBack(world)).toMatchObject({ status: "rolled_back", code: "rollout", changed: false });
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
    expect(world.store.pins()).toMatchObject([{ deployment: "v2" }]);
  });

  test("pulls an image that is gone from this host", async () => {
    const world = await deployedUpTo(2);
    world.images.delete(`web@${digestOf("web:v1")}`);
    for (const [name, id] of world.images) if (id.includes(digestOf("web:v1"))) world.images.delete(name);
    expect(await rollBack(world)).toMatchObject({ status: "succeeded" });
    expect(world.calls).toContain("pull web:v1");
    expect(world.calls).not.toContain("resolve web:v1");
    expect(world.ps()).toEqual(["web-3 running web:v1"]);
  });

  test("with the image gone and the registry down says so, and touches nothing", async () => {
    const world = await deployedUpTo(2);
    for (const [name, id] of world.images) if (id.includes(digestOf("web:v1"))) world.images.delete(name);
    registryIsDown(world, "web:v1");
    expect(await rollBack(world)).toMatchObject({
      status: "failed",
      changed: false,
      code: "registry_unavailable",
      reason: `the registry does not answer\nwhat serves now: web:v2@${digestOf("web:v2")} in container web-2`,
    });
    expect(stepsOf(world.calls)).toEqual(["pull web:v1"]);
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test.each<[string, number, Partial<Deployment>, string, string]>([
    ["without an earlier version", 1, {}, "conflict", "nothing earlier than v1"],
    ["to a deployment that nobody knows", 2, { to: "nope" }, "not_found", 'unknown deployment "nope"'],
    [
      "to a deployment that committed nothing",
      2,
      { to: "r1" },
      "conflict",
      'deployment "r1" left no version',
    ],
  ])("%s fails, says why, and touches nothing", async (_, newest, fields, code, why) => {
    const world = await deployedUpTo(newest);
    expect(await rollBack(world, fields)).toMatchObject({
      status: "failed",
      code,
      changed: false,
      reason: expect.stringContaining(why),
    });
    expect(world.calls).toEqual([]);
  });

  test("of a service that was never deployed is a conflict", async () => {
    const world = fakeWorld([service("web")]);
    world.add("web");
    expect(await rollBack(world)).toMatchObject({ status: "failed", code: "conflict" });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });
});
