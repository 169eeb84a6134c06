import { describe, expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { removeDoneBefore } from "./before-commands.ts";
import { DeployerError } from "./errors.ts";
import { Worker } from "./worker.ts";

const HOUR = 60 * 60_000;
const COMMANDS = [["migrate", "--all"], ["seed"]];

/** `web:v1` runs; before another is rolled out, two commands run in its image. */
function shop(): World {
  const world = fakeWorld([service("web", { settings: settings({ before: COMMANDS }) })]);
  world.add("web");
  return world;
}

const deployV2 = (world: World, signal = never()) => deployIn(world, "web", { image: "web:v2" }, signal);
const oneOffs = async (world: World) =>
  (await world.engine.containers("shop")).filter(({ oneOff }) => oneOff);

describe("the commands of a service", () => {
  test("run one after the other in the new image, with its configuration, before anything is created", async () => {
    const world = shop();
    expect(await deployV2(world)).toMatchObject({ status: "succeeded", changed: true });
    expect(stepsOf(world.calls).slice(0, 6)).toEqual([
      "resolve web:v2",
      "pull web:v2",
      "run web migrate --all",
      "run web seed",
      "create web 2",
      "progress switching",
    ]);
    const [migrate, seed] = await oneOffs(world);
    expect(migrate).toMatchObject({
      imageText: expect.stringMatching(/^web:v2@/),
      labels: { "deployer-service.before": "d1.web.1" },
    });
    expect(seed?.labels).toEqual({ "deployer-service.before": "d1.web.2" });
    expect(Date.parse(seed?.startedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(migrate?.finishedAt ?? ""));
    expect(toldIn(world).filter((line) => line.startsWith("before"))).toEqual([
      "before: web: running migrate --all",
      "before: web: running seed",
    ]);
  });

  test("find no peer that takes them for the service", async () => {
    const world = shop();
    const reached: string[][] = [];
    world.before("run web seed", () => void reached.push(world.reachable("web")));
    await deployV2(world);
    expect(reached).toEqual([["web-1"]]);
  });

  test("are not run where nothing changes", async () => {
    const world = shop();
    expect(await deployIn(world, "web")).toMatchObject({ status: "succeeded", changed: false });
    expect(await oneOffs(world)).toEqual([]);
  });

  test("of several services run in the order they were named, those of the unchanged do not", async () => {
    const withBefore = (name: string) =>
      service(name, { settings: settings({ before: [[`migrate-${name}`]] }) });
    const world = fakeWorld(["web", "worker", "api"].map(withBefore));
    for (const name of ["web", "worker", "api"]) world.add(name);
    const part = (name: string, tag: string) => ({
      service: name,
      image: `${name}:${tag}`,
      digest: undefined,
    });
    const parts = [part("worker", "v2"), part("api", "v1"), part("web", "v2")];
    expect(await deployIn(world, [], { parts })).toMatchObject({ status: "succeeded" });
    expect(world.calls.filter((call) => call.startsWith("run "))).toEqual([
      "run worker migrate-worker",
      "run web migrate-web",
    ]);
  });
});

describe("a command that fails", () => {
  test("ends the deployment, nothing touched, with what it left behind", async () => {
    const world = shop();
    world.lives.set("web:v2", {
      oneOff: { after: 500, code: 4 },
      prints: ["applying 0042", "relation exists"],
    });
    expect(await deployV2(world)).toEqual({
      status: "failed",
      changed: false,
      digests: expect.any(Map),
      code: "before",
      diagnoses: [
        {
          service: "web",
          container: "web-run-1",
          exitCode: 4,
          signal: undefined,
          oomKilled: false,
          restarts: 0,
          health: undefined,
          output: ["applying 0042", "relation exists"],
        },
      ],
      reason:
        'migrate --all (x-deployer.before of "web") exited with code 4\nwhat serves now: web:v1 in container web-1',
    });
    expect(world.calls).not.toContain("run web seed");
    expect(world.calls).not.toContain("create web 2");
    expect(toldIn(world).slice(-3)).toEqual([
      'diagnosis: container web-run-1 of service "web": exit code 4',
      "output: applying 0042",
      "output: relation exists",
    ]);
  });

  test("for lack of memory says so", async () => {
    const world = shop();
    world.lives.set("web:v2", { oneOff: { after: 500, code: 137, oomKilled: true } });
    expect(await deployV2(world)).toMatchObject({
      status: "failed",
      code: "before",
      diagnoses: [{ oomKilled: true, signal: "SIGKILL" }],
      reason: expect.stringContaining("was killed for lack of memory"),
    });
  });

  test("because it cannot be created ends it", async () => {
    const world = shop();
    world.fail("run web migrate --all", "no such volume");
    expect(await deployV2(world)).toMatchObject({ status: "failed", changed: false });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("because somebody removed its container ends it", async () => {
    const world = shop();
    world.lives.set("web:v2", { oneOff: { after: 5_000, code: 0 } });
    world.clock.at(1_000, () => void world.engine.remove("web-run-1", { volumes: true }));
    expect(await deployV2(world)).toMatchObject({
      status: "failed",
      code: "before",
      reason: expect.stringContaining("the container of migrate --all was removed by somebody else"),
    });
  });

  test("to end within an hour is stopped", async () => {
    const world = shop();
    world.lives.set("web:v2", { oneOff: { after: 2 * HOUR, code: 0 } });
    expect(await deployV2(world)).toMatchObject({
      status: "failed",
      code: "before",
      reason: expect.stringContaining("migrate --all did not end within 60 minutes and was stopped"),
    });
    expect(world.clock.now() - START).toBe(HOUR);
    expect(world.calls).toContain("stop web-run-1");
    expect((await oneOffs(world)).map(({ state }) => state)).toEqual(["exited"]);
  });
});

test("a stop of the daemon stops the command that runs, and nothing is touched", async () => {
  const world = shop();
  world.lives.set("web:v2", { oneOff: { after: HOUR, code: 0 } });
  const stop = new AbortController();
  world.clock.at(10_000, () => stop.abort(new DeployerError("interrupted", "interrupted: stopped")));
  expect(await deployV2(world, stop.signal)).toMatchObject({
    status: "failed",
    changed: false,
    code: "interrupted",
  });
  expect(world.calls).toContain("stop web-run-1");
  expect(world.calls).not.toContain("run web seed");
  expect((await oneOffs(world)).map(({ state }) => state)).toEqual(["exited"]);
});

describe("the containers of commands", () => {
  const deployedBy = async (world: World, image: string): Promise<string> => {
    const worker = new Worker(world, world.queue, Promise.resolve(), () => "d1");
    await worker.submit(requestFor("web", { image }), "me");
    const { status } = await worker.ended("d1", never());
    await worker.stop();
    return status;
  };

  test("are gone when their deployment has ended", async () => {
    const world = shop();
    expect(await deployedBy(world, "web:v2")).toBe("succeeded");
    expect(await oneOffs(world)).toEqual([]);
  });

  test("are gone, too, when one of them failed", async () => {
    const world = shop();
    world.lives.set("web:v2", { oneOff: { after: 500, code: 4 } });
    expect(await deployedBy(world, "web:v2")).toBe("failed");
    expect(await oneOffs(world)).toEqual([]);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("of a deployment that has not ended stay, and those of a person's docker compose run", async () => {
    const world = shop();
    world.add("web", { oneOff: true, labels: { "deployer-service.before": "d1.web.1" } });
    world.add("web", { oneOff: true, labels: { "deployer-service.before": "d0.web.1" } });
    world.add("web", { oneOff: true });
    await deployIn(world, "web");
    await removeDoneBefore(world);
    expect(world.ps().map((line) => line.split(" ")[0])).toEqual(["web-1", "web-2", "web-4"]);
  });
});
