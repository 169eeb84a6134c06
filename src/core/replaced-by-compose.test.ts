import { describe, expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { deployIn } from "../../test/fakes/deploying.ts";
import { service } from "../../test/fakes/service.ts";
import { stepsOf } from "../../test/fakes/steps.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Service } from "./compose.ts";
import type { Container } from "./engine.ts";

const STOPPED = new DeployerError("interrupted", "interrupted: the daemon was stopped");

/** `web:v1` runs in a container that Compose made; `web:v2` is asked for. */
function world(fields: Partial<Service> = {}, container: Partial<Container> = {}): World {
  const world = fakeWorld([service("web", fields)]);
  world.add("web", container);
  return world;
}

const deployV2 = (world: World, signal = never()): Promise<Outcome> =>
  deployIn(world, "web", { image: "web:v2" }, signal);

/** What was done after the pull. */
const steps = (world: World): string[] => stepsOf(world.calls).slice(2);

describe("a service with a fixed container name", () => {
  const NAMED = { containerName: "the-web" };

  test("is recreated by Compose", async () => {
    const here = world(NAMED);
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
    expect(steps(here)).toEqual([
      "progress switching",
      "recreate web",
      "stop web-1",
      "start web-2",
      "commit web",
      "pins web=web:v2",
    ]);
    expect(here.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("and no container yet is created as any other", async () => {
    const here = fakeWorld([service("web", NAMED)]);
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
    expect(steps(here)[0]).toBe("create web 1");
  });

  test("is made anew from the recorded configuration when the candidate fails", async () => {
    const here = world(NAMED);
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(here)).toMatchObject({
      status: "rolled_back",
      reason:
        'container web-2 of service "web" exited with code 1\nwhat serves now: web:v1 in container web-3',
    });
    expect(steps(here)).toEqual([
      "progress switching",
      "recreate web",
      "stop web-1",
      "start web-2",
      "progress going_back",
      "stop web-2",
      "recreate web alone",
      "start web-3",
    ]);
    expect(here.ps()).toEqual(["web-3 running web:v1"]);
  });

  test("goes back to the configuration that ran, not to the file's of today", async () => {
    const here = fakeWorld([service("web", { ...NAMED, configHash: "then" })]);
    await deployIn(here, "web", { id: "d0" });
    here.file.set("web", service("web", { ...NAMED, configHash: "now" }));
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back" });
    const [container] = await here.engine.containers("shop");
    expect(container?.composeHash).toStartWith("then, web:v1@");
  });

  test("is made anew, too, when the signal comes after Compose has replaced it", async () => {
    const here = world(NAMED);
    const stop = new AbortController();
    here.before("recreate web", () => stop.abort(STOPPED));
    expect(await deployV2(here, stop.signal)).toMatchObject({ status: "rolled_back", code: "interrupted" });
    expect(here.ps()).toEqual(["web-3 running web:v1"]);
  });

  test("leaves its dependencies out where Compose would replace one that differs from the file", async () => {
    const here = fakeWorld([service("web", { ...NAMED, dependsOn: [on("db")] }), service("db")]);
    here.add("web");
    here.add("db", { composeHash: "an older file" });
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
    expect(steps(here).slice(0, 2)).toEqual(["progress switching", "recreate web alone"]);
    expect(here.log.lines).toContainEqual({
      level: "warn",
      message: "a dependency differs from the compose file; the next plain docker compose up recreates it",
      fields: { service: "web", dependency: "db" },
    });
  });

  test("leaves them out as well when a tag was pulled anew under one", async () => {
    const here = fakeWorld([service("web", { ...NAMED, dependsOn: [on("db")] }), service("db")]);
    here.add("web");
    here.add("db");
    here.images.set("db:v1", "id of a newer one");
    await deployV2(here);
    expect(steps(here).slice(0, 2)).toEqual(["progress switching", "recreate web alone"]);
  });

  test("takes them along where they are as the file says, so that its label is what a plain up expects", async () => {
    const here = fakeWorld([service("web", { ...NAMED, dependsOn: [on("db")] }), service("db")]);
    here.add("web");
    here.add("db");
    await deployV2(here);
    expect(steps(here).slice(0, 2)).toEqual(["progress switching", "recreate web"]);
  });
});

describe("a service with an anonymous volume", () => {
  test("is recreated by Compose, which carries the volume over", async () => {
    const here = world({}, { anonymousVolumes: ["data"] });
    expect(await deployV2(here)).toMatchObject({ status: "succeeded" });
    expect(steps(here).slice(0, 2)).toEqual(["progress switching", "recreate web"]);
    const [container] = await here.engine.containers("shop");
    expect(container?.anonymousVolumes).toEqual(["data"]);
  });

  test("has it still after the way back", async () => {
    const here = world({}, { anonymousVolumes: ["data"] });
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect(await deployV2(here)).toMatchObject({ status: "rolled_back" });
    const [container] = await here.engine.containers("shop");
    expect(container).toMatchObject({ state: "running", imageText: "web:v1", anonymousVolumes: ["data"] });
  });

  test("has it still when it did not run and the candidate fails", async () => {
    const here = world({}, { anonymousVolumes: ["data"], state: "exited", exitCode: 1 });
    here.lives.set("web:v2", { exits: { after: 500, code: 1 } });
    expect((await deployV2(here)).status).not.toBe("succeeded");
    const containers = await here.engine.containers("shop");
    expect(containers.map(({ anonymousVolumes }) => anonymousVolumes)).toEqual([["data"]]);
  });
});

function on(service: string) {
  return { service, condition: "service_started", required: true } as const;
}
