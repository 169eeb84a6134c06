import { describe, expect, test } from "bun:test";

import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { digestOf } from "../../test/fakes/images.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Outcome, Part } from "./deployment.ts";
import type { Service } from "./compose.ts";

const ROLLING = { settings: settings({ strategy: "rolling" }) };
const WATCHED = { settings: settings({ watchMs: 5_000 }) };
const OLD = ["web-1 running web:v1", "worker-1 running worker:v1"];
const NEW = ["web-2 running web:v2", "worker-2 running worker:v2"];
const CRASHES: Life = { exits: { after: 500, code: 3 } };

const part = (name: string, tag: string): Part => ({
  service: name,
  image: `${name}:${tag}`,
  digest: undefined,
});
const V2 = [part("web", "v2"), part("worker", "v2")];
const WORKER_ALONE_CHANGES = [part("web", "v1"), part("worker", "v2")];

/** `web` and `worker` run their `v1`, made by Compose. */
function shop(web: Partial<Service> = {}, worker: Partial<Service> = {}): World {
  const world = fakeWorld([service("web", web), service("worker", worker)]);
  world.add("web");
  world.add("worker");
  return world;
}

const deployBoth = (world: World): Promise<Outcome> => deployIn(world, [], { parts: V2 });
const ranTo = (world: World): string[] =>
  stepsOf(world.calls).filter((call) => !/^(?:resolve|pull) /.test(call));

describe("two services as one deployment", () => {
  test("on one image: all containers are created before the first is stopped, all are committed at once", async () => {
    const world = shop({ image: "shop:v1" }, { image: "shop:v1" });
    expect(await deployIn(world, ["web", "worker"], { image: "shop:v2" })).toEqual({
      status: "succeeded",
      changed: true,
      digests: new Map(["web", "worker"].map((name) => [name, digestOf("shop:v2")])),
      diagnoses: [],
      reason: "",
      code: undefined,
    });
    expect(ranTo(world)).toEqual([
      "create web 2",
      "create worker 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      "stop worker-1",
      "start worker-2",
      "commit web worker",
      "pins web=shop:v2 worker=shop:v2",
      "remove web-1",
      "remove worker-1",
    ]);
    expect(world.store.pins().map(({ service, deployment }) => [service, deployment])).toEqual([
      ["web", "d1"],
      ["worker", "d1"],
    ]);
  });

  test("with an image each", async () => {
    const world = shop();
    expect(await deployBoth(world)).toMatchObject({
      status: "succeeded",
      digests: new Map([
        ["web", digestOf("web:v2")],
        ["worker", digestOf("worker:v2")],
      ]),
    });
    expect(world.ps()).toEqual(NEW);
  });

  test("of which one depends on the other: that one comes first, whatever order they were named in", async () => {
    const world = shop({ dependsOn: [{ service: "worker", condition: "service_healthy", required: true }] });
    await deployBoth(world);
    const starts = world.calls.filter((call) => call.startsWith("start "));
    expect(starts).toEqual(["start worker-2", "start web-2"]);
  });

  test("of which one depends on the other, and none has a container: nothing starts the dependency by itself", async () => {
    const world = fakeWorld([
      service("web", { dependsOn: [{ service: "worker", condition: "service_started", required: true }] }),
      service("worker"),
    ]);
    expect(await deployBoth(world)).toMatchObject({ status: "succeeded" });
    expect(world.ps().toSorted()).toEqual(["web-1 running web:v2", "worker-1 running worker:v2"]);
    expect(world.calls.filter((call) => call.startsWith("pull "))).toEqual(["pull web:v2", "pull worker:v2"]);
  });

  test("of which one lives in the namespaces of the other are refused, nothing touched", async () => {
    const world = shop({}, { sharesWith: ["web"] });
    expect(await deployBoth(world)).toMatchObject({
      status: "failed",
      code: "not_deployable",
      reason: expect.stringContaining(
        '"worker" lives in the namespaces or volumes of "web": deploy them one after the other',
      ),
    });
    expect(world.ps()).toEqual(OLD);
  });
});

describe.each(["web", "worker"])("when %s fails, both are back and nothing is committed", (bad) => {
  const expectBothBack = (world: World, outcome: Outcome, reason: string): void => {
    expect(outcome).toMatchObject({ status: "rolled_back", changed: false });
    expect(outcome.reason).toStartWith(reason);
    expect(outcome.reason).toContain("web:v1 in container web-1");
    expect(outcome.reason).toContain("worker:v1 in container worker-1");
    expect(world.ps()).toEqual(OLD);
    expect(world.store.pins()).toEqual([]);
    expect(world.store.versions()).toEqual([]);
    expect(world.calls.filter((call) => call.startsWith("commit"))).toEqual([]);
  };

  test("in the gate", async () => {
    const world = shop();
    world.lives.set(`${bad}:v2`, CRASHES);
    const outcome = await deployBoth(world);
    expectBothBack(world, outcome, `container ${bad}-2 of service "${bad}" exited with code 3`);
    const failed = outcome.diagnoses.filter(({ exitCode }) => exitCode === 3);
    expect(failed.map(({ service }) => service)).toEqual([bad]);
  });

  test("in the watch", async () => {
    const world = shop(WATCHED, WATCHED);
    world.lives.set(`${bad}:v2`, { exits: { after: 7_000, code: 3 } });
    const outcome = await deployBoth(world);
    expectBothBack(world, outcome, `container ${bad}-2 of service "${bad}" exited with code 3`);
  });

  test("to be stopped for the new one", async () => {
    const world = shop();
    world.fail(`stop ${bad}-1`);
    const outcome = await deployBoth(world);
    expect(outcome.reason).toStartWith("Docker says no\n");
    expect(world.ps()).toEqual(OLD);
    expect(world.store.pins()).toEqual([]);
  });

  test("to be created: nothing was touched at all", async () => {
    const world = shop();
    world.fail(`create ${bad} 2`);
    expect(await deployBoth(world)).toMatchObject({ status: "failed", changed: false });
    expect(world.ps()).toEqual(OLD);
    expect(world.calls.filter((call) => /^(?:start|stop) (?:web|worker)-1$/.test(call))).toEqual([]);
  });

  test("to be pulled: nothing was touched at all", async () => {
    const world = shop();
    world.fail(`pull ${bad}:v2`);
    expect(await deployBoth(world)).toMatchObject({ status: "failed", changed: false });
    expect(ranTo(world)).toEqual([]);
  });
});

describe("when one cannot go back, the other does", () => {
  test.each(["web", "worker"])("%s", async (stuck) => {
    const other = stuck === "web" ? "worker" : "web";
    const world = shop();
    world.lives.set("worker:v2", CRASHES);
    world.fail(`start ${stuck}-1`, "port is already allocated");
    const outcome = await deployBoth(world);
    expect(outcome).toMatchObject({ status: "rollback_failed", changed: true });
    expect(outcome.reason).toContain(
      "the rollback failed too, a person is needed: port is already allocated\n",
    );
    expect(world.ps()).toContain(`${other}-1 running ${other}:v1`);
    expect(world.ps()).not.toContain(`${other}-2 running ${other}:v2`);
  });
});

describe("where one runs already what is asked for", () => {
  test("only the other is rolled out, and both are recorded", async () => {
    const world = shop();
    expect(await deployIn(world, [], { parts: WORKER_ALONE_CHANGES })).toMatchObject({
      status: "succeeded",
      changed: true,
      digests: new Map([
        ["web", digestOf("web:v1")],
        ["worker", digestOf("worker:v2")],
      ]),
    });
    expect(world.ps().toSorted()).toEqual(["web-1 running web:v1", "worker-2 running worker:v2"]);
    expect(toldIn(world)).toContain("unchanged: web: the same image and configuration run already");
    expect(world.store.pins()).toMatchObject([
      { service: "web", imageText: "web:v1", deployment: "d1" },
      { service: "worker", deployment: "d1" },
    ]);
    expect(world.calls.at(-1)).toBe("pins web=web:v1 worker=worker:v2");
  });

  test("it is not recorded when the other goes back", async () => {
    const world = shop();
    world.lives.set("worker:v2", CRASHES);
    expect(await deployIn(world, [], { parts: WORKER_ALONE_CHANGES })).toMatchObject({
      status: "rolled_back",
    });
    expect(world.ps()).toEqual(OLD);
    expect(world.store.pins()).toEqual([]);
  });

  test("what cannot be recorded of it does not turn the success of the other into a failure", async () => {
    const world = shop();
    world.fail("commit web", "disk full");
    expect(await deployIn(world, [], { parts: WORKER_ALONE_CHANGES })).toMatchObject({
      status: "succeeded",
      changed: true,
    });
    expect(world.ps().toSorted()).toEqual(["web-1 running web:v1", "worker-2 running worker:v2"]);
  });
});

describe("one rolling, one recreated", () => {
  test("the rolling one passes its gate before the other is stopped", async () => {
    const world = shop(ROLLING);
    expect(await deployBoth(world)).toMatchObject({ status: "succeeded" });
    const steps = ranTo(world).filter((call) => !/connect/.test(call));
    expect(steps).toEqual([
      "create web 2",
      "create worker 2",
      "start web-2",
      "progress switching",
      "start web-2",
      "stop worker-1",
      "start worker-2",
      "commit web worker",
      "pins web=web:v2 worker=worker:v2",
      "stop web-1",
      "remove web-1",
      "remove worker-1",
    ]);
    expect(world.ps()).toEqual(NEW);
    expect(world.reachable("web")).toEqual(["web-2"]);
  });

  test("a rolling one that fails its gate leaves the other as it is", async () => {
    const world = shop(ROLLING);
    world.lives.set("web:v2", CRASHES);
    expect(await deployBoth(world)).toMatchObject({ status: "failed", changed: false });
    expect(world.ps()).toEqual(OLD);
    expect(world.calls).not.toContain("stop worker-1");
  });

  test("when the recreated one fails, peers find the old rolling one only, and then it is alone", async () => {
    const world = shop(ROLLING);
    world.lives.set("worker:v2", CRASHES);
    const reached: string[][] = [];
    world.before("start worker-1", () => void reached.push(world.reachable("web")));
    expect(await deployBoth(world)).toMatchObject({ status: "rolled_back", changed: false });
    expect(world.ps()).toEqual(OLD);
    expect(reached).toEqual([["web-1"]]);
    expect(world.reachable("web")).toEqual(["web-1"]);
    expect(world.calls).not.toContain("stop web-1");
  });
});
