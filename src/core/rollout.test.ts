import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Service } from "./compose.ts";
import type { Container } from "./engine.ts";

const STOPPED = new DeployerError("interrupted", "interrupted: the daemon was stopped");
const GOES_BACK = ["progress going_back", "stop web-2", "remove web-2 with volumes", "start web-1"];
const SERVES_OLD = "what serves now: web:v1 in container web-1";

/** `web:v1` runs in a container that Compose made; `web:v2` is asked for. */
function world(fields: Partial<Service> = {}, container: Partial<Container> = {}): World {
  const world = fakeWorld([service("web", fields)]);
  world.add("web", container);
  return world;
}

function deployV2(world: World, signal = never()): Promise<Outcome> {
  const deployment = running("web", { image: "web:v2" });
  world.store.insert(deployment);
  return deploy(deployment, world, signal);
}

/** What was done after the pull. */
function steps(world: World): string[] {
  return stepsOf(world.calls.slice(world.calls.indexOf("pull web:v2") + 1));
}

describe("a candidate that does not stay up", () => {
  test.each<[string, Parameters<World["lives"]["set"]>[1], string, string]>([
    ["exits", { exits: { after: 1_000, code: 7 } }, "exited with code 7", "rollout"],
    [
      "exits just before it would count as up",
      { exits: { after: 2_900, code: 1 } },
      "exited with code 1",
      "rollout",
    ],
    [
      "ends with 0 although it exposes a port",
      { exits: { after: 500, code: 0 }, exposesPorts: true },
      "exited with code 0",
      "rollout",
    ],
    [
      "is killed for lack of memory",
      { exits: { after: 500, code: 137, oomKilled: true } },
      "was killed for lack of memory",
      "rollout",
    ],
    ["is restarted by Docker", { restartsAfter: 700 }, "did not stay up, Docker restarted it", "rollout"],
  ])("and %s: the old one is started again, the candidate removed", async (_, life, end, code) => {
    const here = world();
    here.lives.set("web:v2", life);
    expect(await deployV2(here)).toEqual({
      status: "rolled_back",
      changed: false,
      digests: new Map([["web", digestOf("web:v2")]]),
      diagnoses: [expect.objectContaining({ service: "web", container: "web-2" })],
      code: code as "rollout",
      reason: `container web-2 of service "web" ${end}\n${SERVES_OLD}`,
    });
    expect(steps(here)).toEqual([
      "create web 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      ...GOES_BACK,
    ]);
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
    expect(here.store.pins()).toEqual([]);
  });

  test("and cannot even be started: the same", async () => {
    const here = world();
    here.lives.set("web:v2", { cannotStart: "port is already allocated" });
    expect(await deployV2(here)).toMatchObject({
      status: "rolled_back",
      code: "docker",
      reason: `port is already allocated\n${SERVES_OLD}`,
    });
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("and is removed by somebody else: the same", async () => {
    const here = world();
    here.clock.at(1_000, () => void here.engine.remove("web-2", { volumes: false }));
    expect(await deployV2(here)).toMatchObject({
      status: "rolled_back",
      reason: `container web-2 of service "web" was removed by somebody else\n${SERVES_OLD}`,
    });
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("of two: both are taken away and both old ones started", async () => {
    const here = world({ replicas: 2 });
    here.add("web");
    here.before("start web-4", () => {
      throw new DeployerError("docker", "no room");
    });
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back" });
    expect(here.ps()).toEqual(["web-1 running web:v1", "web-2 running web:v1"]);
  });

  test("one that runs for three seconds stays, whatever it does afterwards", async () => {
    const here = world();
    here.lives.set("web:v2", { exits: { after: 3_100, code: 1 } });
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
  });
});

describe("before the old one is stopped", () => {
  test("a candidate that cannot be created: failed, nothing touched", async () => {
    const here = world();
    here.before("create web 2", () => {
      throw new DeployerError(
        "rollout",
        'creating containers of "web": bind source path does not exist: /nope',
      );
    });
    expect(await deployV2(here)).toMatchObject({
      status: "failed",
      changed: false,
      reason: `creating containers of "web": bind source path does not exist: /nope\n${SERVES_OLD}`,
    });
    expect(steps(here)).toEqual(["create web 2"]);
  });

  test("fewer candidates than wanted: the one there is goes again, failed", async () => {
    const here = world({ replicas: 2 });
    here.add("web");
    const createBeside = async () => void here.add("web", { state: "created" });
    const outcome = await deployV2({ ...here, compose: { ...here.compose, createBeside } });
    expect(outcome).toMatchObject({
      status: "failed",
      reason:
        'Compose created 1 of 2 containers of service "web"\nwhat serves now: web:v1 in container web-1, web:v1 in container web-2',
    });
    expect(here.ps()).toEqual(["web-1 running web:v1", "web-2 running web:v1"]);
  });

  test("the signal: the candidate is removed, failed", async () => {
    const here = world();
    const stop = new AbortController();
    here.before("create web 2", () => stop.abort(STOPPED));
    expect(await deployV2(here, stop.signal)).toMatchObject({
      status: "failed",
      changed: false,
      code: "interrupted",
      reason: `interrupted: the daemon was stopped\n${SERVES_OLD}`,
    });
    expect(steps(here)).toEqual(["create web 2", "stop web-2", "remove web-2 with volumes"]);
  });

  test("an old one that Docker is restarting is left to Docker", async () => {
    const here = world({}, { state: "restarting", restartPolicy: "always" });
    here.fail("create web 2");
    expect(await deployV2(here)).toMatchObject({ status: "failed", changed: false });
    expect(steps(here)).toEqual(["create web 2"]);
  });
});

describe("after the old one is stopped", () => {
  test("the signal before the candidate is started: the old one is started again", async () => {
    const here = world();
    const stop = new AbortController();
    here.before("stop web-1", () => stop.abort(STOPPED));
    expect(await deployV2(here, stop.signal)).toMatchObject({
      status: "rolled_back",
      code: "interrupted",
      reason: `interrupted: the daemon was stopped\n${SERVES_OLD}`,
    });
    expect(steps(here)).toEqual(["create web 2", "progress switching", "stop web-1", ...GOES_BACK]);
  });

  test("the signal while the candidate is watched: the same, without waiting for the end of the watch", async () => {
    const here = world();
    const stop = new AbortController();
    here.clock.at(1_000, () => stop.abort(STOPPED));
    const began = here.clock.now();
    here.before("stop web-2", () => expect(here.clock.now() - began).toBe(1_000));
    expect(await deployV2(here, stop.signal)).toMatchObject({ status: "rolled_back", code: "interrupted" });
    expect(steps(here)).toEqual([
      "create web 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      ...GOES_BACK,
    ]);
  });

  test("a stop that fails: the old one is kept running", async () => {
    const here = world();
    here.fail("stop web-1");
    expect(await deployV2(here)).toMatchObject({ status: "failed", reason: `Docker says no\n${SERVES_OLD}` });
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("a stop that fails half way through two: the one that was stopped is started again", async () => {
    const here = world({ replicas: 2 });
    here.add("web");
    here.fail("stop web-2");
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back" });
    expect(here.ps()).toEqual(["web-1 running web:v1", "web-2 running web:v1"]);
    expect(here.calls.filter((call) => call.startsWith("start"))).toEqual(["start web-1"]);
  });

  test("a disk that is full at the commit: the same, and no pin", async () => {
    const here = world();
    here.before("commit web", () => {
      throw new Error("database or disk is full");
    });
    expect(await deployV2(here)).toMatchObject({
      status: "rolled_back",
      code: "internal",
      reason: `internal error\n${SERVES_OLD}`,
    });
    expect(steps(here)).toEqual([
      "create web 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      "commit web",
      ...GOES_BACK,
    ]);
    expect(here.store.pins()).toEqual([]);
  });

  test("a disk that is full from the switch on: it goes back all the same", async () => {
    const here = world();
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    here.before("start web-2", () => {
      for (const stage of ["switching", "going_back"])
        here.before(`progress ${stage}`, () => {
          throw new Error("database or disk is full");
        });
    });
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back", changed: false, code: "rollout" });
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("an old one that Docker was restarting is started again, so that Docker goes on with it", async () => {
    const here = world({}, { state: "restarting", restartPolicy: "always" });
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back" });
    expect(steps(here)).toEqual([
      "create web 2",
      "progress switching",
      "stop web-1",
      "start web-2",
      ...GOES_BACK,
    ]);
  });

  test("an old one that a person had stopped stays stopped", async () => {
    const here = world();
    here.stopByHand("web-1");
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(here)).toMatchObject({
      status: "failed",
      reason: `container web-2 of service "web" exited with code 1\nwhat serves now: nothing, container web-1 of "web" exited with code 143`,
    });
    expect(here.ps()).toEqual(["web-1 exited web:v1"]);
  });
});

describe("when the way back fails too", () => {
  test.each(["start web-1", "stop web-2", "remove web-2 with volumes"])(
    "at %s: rollback_failed, loudly",
    async (call) => {
      const here = world();
      here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
      here.fail(call);
      const outcome = await deployV2(here);
      expect(outcome).toMatchObject({ status: "rollback_failed", changed: true, code: "rollout" });
      expect(outcome.reason).toStartWith(
        'container web-2 of service "web" exited with code 1\nthe rollback failed too, a person is needed: Docker says no\nwhat serves now: nothing',
      );
      expect(here.log.lines.map(({ message }) => message)).toContain("rollback failed: a person is needed");
    },
  );

  test("because the old one does not stay up either", async () => {
    const here = world();
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    here.before("start web-1", () => void here.lives.set("web:v1", { exits: { after: 200, code: 2 } }));
    expect(await deployV2(here)).toMatchObject({
      status: "rollback_failed",
      reason:
        'container web-2 of service "web" exited with code 1\nthe rollback failed too, a person is needed: container web-1 of service "web" exited with code 2\nwhat serves now: nothing, container web-1 of "web" exited with code 2',
    });
  });
});

describe("once committed, nothing turns success into failure", () => {
  test.each(["pins web=web:v2", "remove web-1"])("not even %s", async (call) => {
    const here = world();
    here.fail(call);
    expect(await deployV2(here)).toMatchObject({ status: "succeeded", changed: true });
    expect(here.ps()).toContain("web-2 running web:v2");
    expect(here.log.lines.map(({ message }) => message)).toContain("tidying up failed");
  });

  test("the signal comes too late", async () => {
    const here = world();
    const stop = new AbortController();
    here.before("commit web", () => stop.abort(STOPPED));
    expect(await deployV2(here, stop.signal)).toMatchObject({ status: "succeeded" });
    expect(here.ps()).toEqual(["web-2 running web:v2"]);
  });
});

function on(service: string) {
  return { service, condition: "service_started", required: true } as const;
}

describe("Docker is restarted", () => {
  test("in the watch: the way back waits for it, and only the old one runs", async () => {
    const here = world();
    here.clock.at(1_000, () => here.dockerStops());
    here.clock.at(31_000, () => here.dockerStarts());
    expect(await deployV2(here)).toMatchObject({
      status: "rolled_back",
      code: "docker",
      reason: `Docker cannot be reached\n${SERVES_OLD}`,
    });
    expect(here.ps()).toEqual(["web-1 running web:v1"]);
  });

  test("and does not come back within five minutes: a person is needed", async () => {
    const here = world();
    here.clock.at(1_000, () => here.dockerStops());
    const began = here.clock.now();
    expect(await deployV2(here)).toMatchObject({ status: "rollback_failed", code: "docker" });
    expect(here.clock.now() - began).toBe(305_000);
  });
});

describe("a dependency that is deployed at the same time", () => {
  function webAndDb(fields: Partial<Service> = {}): World {
    const here = fakeWorld([service("web", { ...fields, dependsOn: [on("db")] }), service("db")]);
    here.add("web");
    here.add("db");
    return here;
  }

  test.each<[string, Partial<Service>]>([
    ["is created beside", {}],
    ["is recreated by Compose", { containerName: "the-web" }],
  ])("keeps its candidate when the dependent %s", async (_, fields) => {
    const here = webAndDb(fields);
    const db = running("db", { id: "d2", image: "db:v2" });
    here.store.insert(db);
    const [one, other] = await Promise.all([
      here.inTurn("db", () => deploy(db, here, never())),
      here.inTurn("web", () => deployV2(here)),
    ]);
    expect([one.status, other.status]).toEqual(["succeeded", "succeeded"]);
    expect(here.ps()).toEqual(["db-2 running db:v2", "web-2 running web:v2"]);
  });

  test("and could not remove its old container is left alone: the new one serves on, the old one stays stopped", async () => {
    const here = webAndDb();
    here.fail("remove db-1");
    await deploy(running("db", { id: "d2", image: "db:v2" }), here, never());
    expect(here.ps()).toContain("db-1 exited db:v1");
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
    expect(here.ps()).toEqual(["db-1 exited db:v1", "db-2 running db:v2", "web-2 running web:v2"]);
  });
});
