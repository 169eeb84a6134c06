import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { diagnosisOf, running } from "../../test/fakes/deployment.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Diagnosis, Outcome } from "./deployment.ts";
import { diagnose, summaryOf } from "./diagnosis.ts";
import type { Settings } from "./settings.ts";

/** `web:v1` runs; `web:v2` is deployed and lives like this. */
function shop(life: Life, fields: Partial<Settings> = {}): World {
  const world = fakeWorld([service("web", { settings: settings(fields) })]);
  world.add("web");
  world.lives.set("web:v2", life);
  return world;
}

const deployV2 = (world: World): Promise<Outcome> => deployIn(world, "web", { image: "web:v2" });

const OF_WEB: Diagnosis = {
  service: "web",
  container: "web-2",
  exitCode: undefined,
  signal: undefined,
  oomKilled: false,
  restarts: 0,
  health: undefined,
  output: [],
};

const HEALTH: Partial<Settings> = {
  port: 80,
  timeoutMs: 3_000,
  health: { path: "/up", host: undefined, headers: {}, status: { from: 200, to: 399 } },
};

describe("what a failed container left behind", () => {
  test.each<[string, Life, Partial<Settings>, Partial<Diagnosis>]>([
    ["its exit code", { exits: { after: 500, code: 7 } }, {}, { exitCode: 7 }],
    [
      "the signal that ended it",
      { exits: { after: 500, code: 139 } },
      {},
      { exitCode: 139, signal: "SIGSEGV" },
    ],
    ["an exit code above 128 that no signal has", { exits: { after: 1, code: 255 } }, {}, { exitCode: 255 }],
    [
      "that it ran out of memory",
      { exits: { after: 500, code: 137, oomKilled: true } },
      {},
      { exitCode: 137, signal: "SIGKILL", oomKilled: true },
    ],
    ["its restarts, also where it is never seen down", { restartsAfter: 700 }, {}, { restarts: 2 }],
    ["the HTTP status it answered", { http: () => 503 }, HEALTH, { health: "HTTP 503" }],
    [
      "that it did not answer",
      { http: () => "refused" },
      HEALTH,
      { health: expect.stringMatching(/^connection refused/) },
    ],
    [
      "what its HEALTHCHECK said",
      { healthcheck: {}, execFailsUntil: 60_000 },
      { timeoutMs: 3_000 },
      { health: "exited with 1: not well" },
    ],
    [
      "what Docker's own health check said in the watch",
      { healthyAfter: 0, unhealthyAfter: 4_000, execFailsAfter: Infinity },
      { watchMs: 10_000 },
      { health: "not well" },
    ],
    [
      "the last 50 lines it printed",
      { exits: { after: 500, code: 1 }, prints: Array.from({ length: 60 }, (_, n) => `line ${n + 1}`) },
      {},
      { exitCode: 1, output: Array.from({ length: 50 }, (_, n) => `line ${n + 11}`) },
    ],
  ])("%s", async (_, life, fields, left) => {
    const world = shop(life, fields);
    const { status, diagnoses } = await deployV2(world);
    expect(status).toBe("rolled_back");
    expect(diagnoses).toEqual([{ ...OF_WEB, ...left }]);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("is in the events, one line each, and in the log, before it is removed", async () => {
    const world = shop({ exits: { after: 500, code: 137, oomKilled: true }, prints: ["one", "two"] });
    world.before("remove web-2 with volumes", () => {
      expect(toldIn(world).slice(-3)).toEqual([
        'diagnosis: container web-2 of service "web": exit code 137 (SIGKILL), killed for lack of memory',
        "output: one",
        "output: two",
      ]);
    });
    await deployV2(world);
    expect(world.calls).toContain("remove web-2 with volumes");
    expect(world.log.lines).toContainEqual({
      level: "error",
      message: "a container failed",
      fields: expect.objectContaining({ deployment: "d1", container: "web-2", output: ["one", "two"] }),
    });
  });

  test.each<[string, Life, Partial<Settings>]>([
    ["in the gate", { healthcheck: {}, execFailsUntil: 60_000 }, { timeoutMs: 3_000 }],
    [
      "in the watch",
      { healthyAfter: 0, unhealthyAfter: 4_000, execFailsAfter: Infinity },
      { watchMs: 10_000 },
    ],
  ])("stands, as far as it printed it itself, in events of its own only: %s", async (_, life, fields) => {
    const world = shop({ ...life, prints: ["not well either"] }, fields);
    const { reason, diagnoses } = await deployV2(world);
    expect(reason).not.toContain("not well");
    expect(diagnoses[0]).toMatchObject({ health: expect.stringContaining("not well") });
    const words = toldIn(world).filter((line) => line.includes("not well"));
    expect(words).toEqual([expect.stringMatching(/^output: health: .*not well$/), "output: not well either"]);
  });

  test("is there for one that failed before the switch, too", async () => {
    const world = shop({ exits: { after: 500, code: 7 } }, { strategy: "rolling" });
    expect(await deployV2(world)).toMatchObject({ status: "failed", diagnoses: [{ exitCode: 7 }] });
  });

  test("is there for the first deployment of a service", async () => {
    const world = fakeWorld([service("web")]);
    world.lives.set("web:v1", { exits: { after: 500, code: 7 }, prints: ["no configuration"] });
    expect(await deployIn(world, "web")).toMatchObject({
      status: "failed",
      diagnoses: [{ container: "web-1", exitCode: 7, output: ["no configuration"] }],
    });
  });

  test("is not what it answered while it was slow to start", async () => {
    const world = shop(
      { http: (age) => (age < 1_000 ? "refused" : 200), exits: { after: 6_000, code: 1 } },
      { ...HEALTH, watchMs: 10_000 },
    );
    expect((await deployV2(world)).diagnoses).toEqual([{ ...OF_WEB, exitCode: 1 }]);
  });

  test("is told of those only that failed, not of one that goes back with another", async () => {
    const world = fakeWorld([service("web"), service("worker")]);
    for (const name of ["web", "worker"]) world.add(name);
    world.lives.set("worker:v2", { exits: { after: 500, code: 7 } });
    const parts = ["web", "worker"].map((name) => ({
      service: name,
      image: `${name}:v2`,
      digest: undefined,
    }));
    const { diagnoses } = await deployIn(world, [], { parts });
    expect(diagnoses.map(({ container }) => container)).toEqual(["worker-2"]);
  });

  test("is gathered of each of several", async () => {
    const world = fakeWorld([service("web", { replicas: 2 })]);
    world.add("web");
    world.add("web");
    world.lives.set("web:v2", { exits: { after: 500, code: 7 } });
    const { diagnoses } = await deployV2(world);
    expect(diagnoses.map(({ container }) => container)).toEqual(["web-3", "web-4"]);
  });

  test("outlives a kill in the middle of the way back", async () => {
    const world = shop({ exits: { after: 500, code: 7 } });
    const deployment = running("web", { image: "web:v2" });
    world.store.insert(deployment);
    await world.killedAt("remove web-2 with volumes", (ports) => deploy(deployment, ports, never()));
    expect(world.store.progress("d1")?.diagnoses).toMatchObject([{ container: "web-2", exitCode: 7 }]);
  });
});

test("one in a crash loop is looked at when it is down again: then Docker knows how it ended", async () => {
  const world = shop({});
  world.add("web", { restarts: 3 });
  world.clock.at(600, () => world.stopByHand("web-2"));
  await diagnose(running("web"), "web-2", new Map(), world);
  expect(world.store.progress("d1")?.diagnoses).toEqual([
    { ...OF_WEB, restarts: 3, exitCode: 143, signal: "SIGTERM" },
  ]);
});

describe("what cannot be found out is left out", () => {
  test("its output: the rest is told", async () => {
    const world = shop({ exits: { after: 500, code: 7 } });
    world.engine.logs = () => Promise.reject(new Error("configured logging driver does not support reading"));
    const outcome = await deployV2(world);
    expect(outcome).toMatchObject({ status: "rolled_back", diagnoses: [{ exitCode: 7, output: [] }] });
    expect(world.log.lines).toContainEqual(
      expect.objectContaining({
        level: "warn",
        message: "the output of a failed container could not be read",
      }),
    );
  });

  test("all of it: the deployment goes back all the same", async () => {
    const world = shop({ exits: { after: 500, code: 7 } });
    const container = world.engine.container.bind(world.engine);
    let isBroken = false;
    world.engine.container = async (id) => {
      if (isBroken && id === "web-2") throw new Error("connection reset");
      const found = await container(id);
      isBroken ||= found?.state === "exited";
      return found;
    };
    expect(await deployV2(world)).toMatchObject({ status: "rolled_back", diagnoses: [] });
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.log.lines.map(({ message }) => message)).toContain(
      "what a failed container left behind could not be read",
    );
  });

  test("of one that was never started, or is gone, there is nothing to tell", async () => {
    const world = shop({});
    world.add("web", { state: "created" });
    for (const id of ["web-2", "nobody"]) await diagnose(running("web"), id, new Map(), world);
    expect(world.store.progress("d1")).toBeUndefined();
  });
});

test.each<[Partial<Diagnosis>, string]>([
  [
    {},
    'container 0123456789ab of service "web": exit code 137 (SIGKILL), killed for lack of memory, restarted twice, health: HTTP 503',
  ],
  [
    { exitCode: undefined, signal: undefined, oomKilled: false, restarts: 0, health: undefined },
    'container 0123456789ab of service "web": still running',
  ],
])("%j in one line", (fields, line) => {
  expect(summaryOf(diagnosisOf(fields))).toBe(line);
});
