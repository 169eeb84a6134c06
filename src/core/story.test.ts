import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { requestFor, running } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { accept, begin, type DeploymentRequest } from "./deployment.ts";
import type { Phase } from "./history.ts";
import { tellAccepted } from "./story.ts";
import { Worker } from "./worker.ts";

function shop(): World {
  const world = fakeWorld([
    service("web", { dependsOn: [{ service: "db", condition: "service_started", required: true }] }),
    service("db"),
  ]);
  world.add("web");
  world.add("db");
  return world;
}

async function deployed(world: World, image: string): Promise<void> {
  const worker = new Worker(world, world.queue, Promise.resolve(), () => "d1");
  await worker.submit(requestFor("web", { image }), "github-actions");
  await worker.ended("d1", never());
}

function story(world: World): string[] {
  return world.store.events("d1", 0, 100).map(({ phase, level, text }) => `${phase} ${level}: ${text}`);
}

const phases = (world: World): Phase[] => world.store.events("d1", 0, 100).map(({ phase }) => phase);

test("a deployment that succeeds tells each of its steps", async () => {
  const world = shop();
  await deployed(world, "web:v2");
  const text = `web:v2@${digestOf("web:v2")}`;
  expect(story(world)).toEqual([
    "accepted info: github-actions asks for web:v2 on web",
    "started info: its turn has come",
    `resolved info: to be rolled out: ${text}`,
    `pulled info: ${text} is on this host`,
    "strategy info: web: recreate, the default",
    "dependencies info: seeing to what it depends on: db",
    "creating info: web: creating 1 beside 1",
    "switching info: web: stopping web-1",
    "gating info: web: starting web-2",
    `committed info: web runs ${text} from now on`,
    "removed info: removed web-1",
    "ended info: succeeded",
  ]);
});

test("one that changes nothing says so", async () => {
  const world = shop();
  await deployed(world, "web:v1");
  expect(phases(world)).toEqual(["accepted", "started", "resolved", "pulled", "unchanged", "ended"]);
});

test("one that goes back says why, on one line", async () => {
  const world = shop();
  world.lives.set("web:v2", { exits: { after: 500, code: 3 } });
  await deployed(world, "web:v2");
  expect(story(world).slice(-4)).toEqual([
    "gating info: web: starting web-2",
    'going_back error: container web-2 of service "web" exited with code 3',
    'diagnosis error: container web-2 of service "web": exit code 3',
    'ended error: rolled_back: container web-2 of service "web" exited with code 3; what serves now: web:v1 in container web-1',
  ]);
});

test("one that fails before anything was touched has no step after that", async () => {
  const world = shop();
  world.fail("pull web:v2", "no space left on device");
  await deployed(world, "web:v2");
  expect(phases(world)).toEqual(["accepted", "started", "resolved", "ended"]);
});

test("each step is told before its effect", async () => {
  const world = shop();
  const seen: Record<string, Phase | undefined> = {};
  for (const call of ["create web 2", "stop web-1", "start web-2"])
    world.before(call, () => void (seen[call] = phases(world).at(-1)));
  await deployed(world, "web:v2");
  expect(seen).toEqual({ "create web 2": "creating", "stop web-1": "switching", "start web-2": "gating" });
});

test("one that a kill left unfinished tells so, and how it went on", async () => {
  const world = shop();
  world.store.insert(begin(running("web", { status: "queued" }), 1));
  const worker = new Worker(world, world.queue, Promise.resolve(), () => "d2");
  await worker.ended("d1", never());
  expect(story(world).slice(0, 3)).toEqual([
    "log warn: the daemon stopped in the middle of it and runs again",
    "started info: its turn has come",
    "log info: nothing that serves was touched, beginning again",
  ]);
  expect(story(world).at(-1)).toBe("ended info: succeeded");
});

test("one whose place a newer one takes tells so, as one that a restart of the daemon left waiting does", async () => {
  const world = shop();
  world.store.insert(running("web", { status: "queued", startedAt: undefined }));
  const worker = new Worker(world, world.queue, new Promise(() => undefined), () => "d2");
  await worker.submit(requestFor("web"), "me");
  expect(story(world)).toEqual([
    "log info: the daemon runs again, it still waits for its turn",
    "ended info: superseded by d2",
  ]);
});

test.each<[DeploymentRequest, string]>([
  [requestFor("web"), "the image of the compose file on web"],
  [
    requestFor(["web", "worker"], { image: "web:v2", force: true }),
    "web:v2 on web, worker, also if nothing has changed",
  ],
  [
    {
      ...requestFor("web"),
      parts: [
        { service: "web", image: "web:v2" },
        { service: "db", image: undefined },
        { service: "worker", image: "web:v2" },
        { service: "api", image: "api:v7" },
      ],
    },
    "web:v2 on web, worker, the image of the compose file on db, api:v7 on api",
  ],
  [requestFor("web", { kind: "rollback" }), "the version before the running one of web"],
  [requestFor("web", { kind: "rollback", to: "d0" }), "the version of deployment d0 of web"],
])("what %j asks for is told in words", (request, words) => {
  const { journal, store } = fakeWorld([]);
  const deployment = accept("d1", request, "me", 1);
  store.insert(deployment);
  tellAccepted(deployment, { journal });
  expect(store.events("d1", 0, 10).map(({ text }) => text)).toEqual([`me asks for ${words}`]);
});

test("whoever is woken by the end finds the deployment ended", async () => {
  const world = shop();
  const statuses: (string | undefined)[] = [];
  const event = world.journal.event.bind(world.journal);
  world.journal.event = (id, phase, level, text) => {
    event(id, phase, level, text);
    if (phase === "ended") statuses.push(world.store.find(id)?.status);
  };
  await deployed(world, "web:v2");
  expect(statuses).toEqual(["succeeded"]);
});

test("whoever looks after the end finds the whole story, also while Docker is still asked something", async () => {
  const world = shop();
  const lastPhases: (string | undefined)[] = [];
  const containers = world.engine.containers.bind(world.engine);
  world.engine.containers = async (...args) => {
    const { status } = world.store.find("d1") ?? {};
    if (status === "succeeded") lastPhases.push(world.store.events("d1", 0, 100).at(-1)?.phase);
    return await containers(...args);
  };
  await deployed(world, "web:v2");
  expect(new Set(lastPhases)).toEqual(new Set(["ended"]));
});

test("a journal that cannot write changes nothing of the deployment", async () => {
  // Its store does not know the deployment and refuses the events of it.
  const world = { ...shop(), journal: fakeWorld([]).journal };
  await deployed(world, "web:v2");
  expect(world.store.find("d1")?.status).toBe("succeeded");
  expect(story(world)).toEqual([]);
  expect(world.ps()).toContain("web-2 running web:v2");
});
