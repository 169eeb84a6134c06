import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Reply } from "../support/daemon.ts";
import { idOf, recordOf } from "../support/deployment-record.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { expectVersionInside, lifeOf, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";

/** As many as are kept to go back to. */
const VERSIONS = ["v2", "v3", "v4", "v5", "v6"];

const cleanup = new AsyncDisposableStack();
let docker: PrivateDocker;
let scene: Scene;
/** Ids of the deployments by their versions. */
const deployments = new Map<string, string>();

beforeAll(async () => {
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1 }));
  scene = cleanup.use(
    await startScene({
      docker,
      compose: async (aws) => {
        for (const version of ["v1", ...VERSIONS]) await aws.publish("web", version);
        return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    x-deployer: { watch: 1s, health: / }\n`;
      },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

test("without an earlier version to go back to, and to one that nobody knows, rollback says so and touches nothing", async () => {
  const before = await lives(scene.project, undefined, docker);
  const first = await rollback({ service: "web" });
  expect([first.status, first.text]).toEqual([409, expect.stringMatching(/web/)]);
  expect((await rollback({ service: "web", to: crypto.randomUUID() })).status).toBe(404);
  expect(await lives(scene.project, undefined, docker)).toEqual(before);
});

test("after five deployments docker compose up -d with our files restarts nothing", async () => {
  const { project, daemon, aws } = scene;
  for (const version of VERSIONS) {
    const reply = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:${version}` });
    expect([version, reply.status, reply.text]).toEqual([
      version,
      200,
      "deploy request successful for service web\n",
    ]);
    deployments.set(version, idOf(reply));
  }
  const deployed = await lifeOf(project, "web", docker);
  await upByHand(project, daemon);
  expect(await lifeOf(project, "web", docker)).toEqual(deployed);
});

test("after docker system prune, without the registry, rollback to each of the five works", async () => {
  const { project, daemon, aws } = scene;
  await docker.docker("system", "prune", "-f");
  await aws.registry.down();
  for (const version of VERSIONS) {
    const reply = await rollback({ service: "web", to: deployments.get(version) });
    expect([version, reply.status]).toEqual([version, 200]);
    expect(await recordOf(daemon, idOf(reply))).toMatchObject({ status: "succeeded", changed: true });
    await expectVersionInside(project, "web", version, docker);
    const running = await lifeOf(project, "web", docker);
    await upByHand(project, daemon);
    expect(await lifeOf(project, "web", docker)).toEqual(running);
  }
  const back = await rollback({ service: "web" });
  expect(back.status).toBe(200);
  await expectVersionInside(project, "web", "v5", docker);
});

test("to a version whose image is gone while the registry is down, rollback says so and touches nothing", async () => {
  const { project, daemon, aws } = scene;
  const before = await lifeOf(project, "web", docker);
  const { stdout } = await docker.docker(
    "images",
    "--quiet",
    "--no-trunc",
    "--filter",
    `reference=deployer.local/keep:*`,
  );
  const running = await docker.docker("inspect", "--format", "{{.Image}}", before.id);
  for (const id of new Set(stdout.split("\n").filter((line) => line !== "")))
    if (id !== running.stdout.trim()) await docker.docker("rmi", "--force", id);
  const reply = await rollback({ service: "web", to: deployments.get("v2") });
  expect(reply.status).toBe(500);
  expect(reply.text).toContain(aws.registry.address);
  expect(await recordOf(daemon, idOf(reply))).toMatchObject({ status: "failed", changed: false });
  expect(await lifeOf(project, "web", docker)).toEqual(before);
});

async function rollback(body: unknown): Promise<Reply> {
  const { daemon } = scene;
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  return await daemon.request("POST", "/rollback", { headers, body: JSON.stringify(body) });
}
