import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";

import { z } from "zod";

import type { Daemon } from "../support/daemon.ts";
import { idOf, recordOf } from "../support/deployment-record.ts";
import { nextEvent } from "../support/docker-events.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { freePort } from "../support/free-port.ts";
import { ask, type Life, lifeOf, lives } from "../support/observe.ts";
import type { Project } from "../support/project.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import type { Aws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const READY_DEADLINE = 30_000;
const BACK_DEADLINE = 30_000;
const SERVING = ["always", "beside", "fixed", "web"];

const Ready = z.looseObject({
  ready: z.boolean(),
  failing: z.array(z.string()),
  docker: z.string(),
  details: z.record(z.string(), z.string()).optional(),
});

let docker: PrivateDocker;

beforeAll(async () => {
  docker = await startDocker();
});

afterAll(() => docker.stop());

test("with Docker not running the daemon lives and says so, and everything comes up when Docker does", async () => {
  await docker.halt();
  await using scene = await startManyServices({ waitUntilUp: false });
  const { project, daemon } = scene;
  await expectDockerNamed(daemon);

  const call = daemon.deploy({ service: "web" });
  await daemon.waitForLog((line) => line.message === "deployment accepted");
  await docker.start();
  expect((await call).status).toBe(200);
  await waitUntilUp(daemon);
  await expectServing(project, await lives(project, undefined, docker), "v1");
  await waitFor("/ready", READY_DEADLINE, async () => (await readiness(daemon)).ready);
});

const ENDS: [how: string, end: () => Promise<void>][] = [
  ["restarted", () => docker.halt()],
  ["killed and started again", () => docker.kill()],
];

test.each(ENDS)(
  "when Docker is %s under the daemon, it lives and says so, and what ran comes back, the same containers",
  async (_how, end) => {
    await using scene = await startManyServices({ beforeStart: stopIdleByHand });
    const { project, daemon } = scene;
    await deploySecondVersion(scene);
    const before = await lives(project, undefined, docker);
    await end();
    await expectDockerNamed(daemon);
    await docker.start();
    await daemon.waitForLog((line) => line.message === "Docker went away");
    await expectServing(project, before, "v2");
    expect((await daemon.request("GET", "/health")).status).toBe(200);
    await waitFor("/ready", READY_DEADLINE, async () => (await readiness(daemon)).ready);
    expect((await daemon.deploy({ service: "always" })).status).toBe(200);
  },
);

test("when Docker is restarted while the daemon is stopped, as with Requires=docker.service, what ran comes back", async () => {
  await using scene = await startManyServices({ beforeStart: stopIdleByHand });
  const { project, daemon } = scene;
  await deploySecondVersion(scene);
  const before = await lives(project, undefined, docker);
  expect(await daemon.stop()).toBe(0);
  await docker.restart();
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  await expectServing(project, before, "v2");
});

test("after a boot of the host what ran comes back, the same containers, pinned ones with the pinned image", async () => {
  await using scene = await startManyServices({ beforeStart: stopIdleByHand });
  const { project, daemon } = scene;
  await deploySecondVersion(scene);
  const before = await lives(project, undefined, docker);
  expect(await daemon.stop()).toBe(0);
  await docker.halt();
  pretendItWasAnotherBoot(daemon);
  await docker.start();
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  await expectServing(project, before, "v2");
});

test.each([
  ["is finished", "v2", { status: "succeeded", changed: true, reason: "" }],
  [
    "that fails is gone back from",
    "exits",
    // Not why: containerd may have it that the candidate is still there.
    {
      status: "rolled_back",
      changed: false,
      reason: expect.stringMatching(/\nwhat serves now: \S+\/web:v1 in container [0-9a-f]{12}$/),
    },
  ],
])("a deployment cut short by a power loss %s, all else comes back", async (_, tag, end) => {
  await using scene = await startManyServices({});
  const { project, daemon, aws } = scene;
  await aws.publish("web", "exits", { exitCode: 3 });
  const before = await lives(project, undefined, docker);
  const { seen } = await nextEvent(project, "start", docker);
  const reply = await daemon.deploy(
    { service: "web", image: `${aws.repository("web")}:${tag}` },
    { Prefer: "respond-async" },
  );
  // Not in the middle of a start: containerd, which a power loss would end too, goes on here and would have it half done.
  const candidate = await seen;
  expect(await daemon.stop("SIGKILL")).toBe(137);
  await docker.kill();
  pretendItWasAnotherBoot(daemon);
  await docker.start();
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  expect(await recordOf(second, idOf(reply))).toMatchObject(end);
  if (tag === "exits") {
    await expectServing(project, before, "v1");
    return;
  }
  const { image } = await lifeOf(project, "web", docker);
  const replaced = (life: Life): Life => (life.service === "web" ? { ...life, id: candidate, image } : life);
  await expectServing(project, before.map(replaced), "v2");
});

/** Only `web` is pinned by then; the others run as the file says. */
async function deploySecondVersion({ daemon, aws }: Scene): Promise<void> {
  const reply = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
}

async function expectServing(project: Project, before: Life[], webVersion: string): Promise<void> {
  await waitFor("all containers to run again", BACK_DEADLINE, async () => {
    const now = await lives(project, undefined, docker);
    return now.filter(({ state }) => state === "running").length >= SERVING.length;
  }).catch(async (cause: unknown) => {
    const now = (await lives(project, undefined, docker)).map(({ service, state }) => `${service} ${state}`);
    throw new Error(`not all run again: ${now.join(", ")}`, { cause });
  });
  const after = await lives(project, undefined, docker);
  expect(after.map(({ service, id, image }) => [service, id, image])).toEqual(
    before.map(({ service, id, image }) => [service, id, image]),
  );
  expect(after.filter(({ state }) => state === "running").map(({ service }) => service)).toEqual(SERVING);
  const job = (all: Life[]) => all.find(({ service }) => service === "job")?.startedAt;
  expect(job(after)).toBe(job(before));
  for (const [service, version] of [
    ["web", webVersion],
    ["always", "v1"],
    ["fixed", "v1"],
  ]) {
    await waitFor(`${service} to serve ${version}`, BACK_DEADLINE, async () => {
      const container = (await project.containers()).find((one) => one.service === service);
      return (await ask(container?.ports[8080])) === version;
    });
  }
}

function pretendItWasAnotherBoot(daemon: Daemon): void {
  using database = new Database(join(daemon.stateDir, "deployer.db"), { readwrite: true });
  const changed = database.run(
    "UPDATE facts SET value = json_set(value, '$.start', 'another') WHERE name = 'look'",
  );
  expect(changed.changes).toBe(1);
}

/** While Docker is away. */
async function expectDockerNamed(daemon: Daemon): Promise<void> {
  expect((await daemon.request("GET", "/health")).text).toBe("deployer healthy\n");
  const ready = await waitFor("/ready to name docker", READY_DEADLINE, async () => {
    const reply = await readiness(daemon);
    return reply.failing.includes("docker") && reply;
  });
  expect(ready).toMatchObject({ ready: false, docker: "failing" });
  expect(ready.details?.["docker"]).toContain("docker.sock");
}

async function readiness(daemon: Daemon): Promise<z.infer<typeof Ready>> {
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  const reply = await daemon.request("GET", "/ready", { headers });
  const ready = Ready.parse(JSON.parse(reply.text));
  expect(reply.status).toBe(ready.ready ? 200 : 503);
  return ready;
}

async function stopIdleByHand(project: Project, aws: Aws): Promise<void> {
  await project.login(aws.registry.address, "AWS", aws.ecr.tokens.issue().password);
  await project.compose("up", "-d");
  await docker.docker("stop", (await lifeOf(project, "idle", docker)).id);
}

function startManyServices(options: {
  waitUntilUp?: boolean;
  beforeStart?: (project: Project, aws: Aws) => Promise<void>;
}): Promise<Scene> {
  return startScene({
    docker,
    ...options,
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2");
      // Fixed ports: two Dockers on one machine do not know which ones the other has given away.
      const web = () => `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1:${freePort()}:8080"]`;
      const idle = `  idle:\n    ${web()}\n`;
      return `
services:
  web:
    ${web()}
    depends_on: { job: { condition: service_completed_successfully } }
  always:
    ${web()}
    restart: always
  fixed:
    ${web()}
    container_name: fixed
    volumes: ["/data"]
  beside:
    image: ${aws.repository("web")}:v1
    network_mode: service:always
    environment: { APP_PORT: "8081" }
  job:
    image: ${aws.repository("web")}:v1
    command: ["/bin/true"]
${options.beforeStart === undefined ? "" : idle}`;
    },
  });
}
