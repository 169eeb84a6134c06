import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { expectVersionInside, lifeOf, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

const SERVICES = ["recreate", "rolling"] as const;
const BACK_DEADLINE = 30_000;
const TAG = { good: "v2", bad: "exits" };

let docker: PrivateDocker;
let scene: Scene;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1 }));
  scene = cleanup.use(
    await startScene({
      docker,
      compose: async (aws) => {
        await aws.publish("web", "v1", { version: "v1" });
        await aws.publish("web", TAG.good);
        await aws.publish("web", TAG.bad, { crashAfter: 2 });
        return `services:\n${SERVICES.map((name) => service(name, aws.repository("web"))).join("")}`;
      },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

const RESTARTS: [how: string, step: string, tag: keyof typeof TAG][] = [
  ["restarted", "creating", "good"],
  ["killed", "gating", "good"],
  ["restarted", "switching", "good"],
  ["killed", "watching", "good"],
  ["restarted", "going_back", "bad"],
];

test.each(RESTARTS)(
  'Docker is %s at "%s" of a %s deployment: it comes to an end that is true, and one version serves',
  async (how, step, kind) => {
    const { project, daemon, aws } = scene;
    const image = aws.repository("web");
    for (const name of SERVICES) {
      const back = await daemon.deploy({ service: name, image: `${image}:v1` });
      expect([name, back.status]).toEqual([name, 200]);
    }
    const before = await Promise.all(SERVICES.map((name) => lifeOf(project, name, docker)));
    const ids = await Promise.all(
      SERVICES.map(async (service) =>
        idOf(await daemon.deploy({ service, image: `${image}:${TAG[kind]}` }, { Prefer: "respond-async" })),
      ),
    );
    await Promise.any(ids.map((id) => untilPhase(daemon, id, step)));
    if (how === "restarted") await docker.halt();
    else await docker.kill();
    await docker.start();

    for (const [index, name] of SERVICES.entries()) {
      const { status } = await recordOf(daemon, ids[index] ?? "");
      expect(["succeeded", "failed", "rolled_back"]).toContain(status);
      if (kind === "bad") expect(status).not.toBe("succeeded");
      await expectServing(name, status === "succeeded" ? TAG.good : "v1", before[index]?.id ?? "", status);
    }
    await expectQuiet(daemon);
  },
);

/** Not another copy of what ran, but the very same container, when it was gone back. */
async function expectServing(name: string, version: string, before: string, status: string): Promise<void> {
  await waitFor(`${name} to run`, BACK_DEADLINE, async () =>
    (await lives(scene.project, name, docker)).every(({ state }) => state === "running"),
  );
  await expectVersionInside(scene.project, name, version, docker);
  const { id } = await lifeOf(scene.project, name, docker);
  if (status === "succeeded") expect(id).not.toBe(before);
  else expect(id).toBe(before);
}

/** Nothing is left to be done: a person's own `up -d` finds all as it should be. */
async function expectQuiet(daemon: Daemon): Promise<void> {
  const now = await lives(scene.project, undefined, docker);
  await upByHand(scene.project, daemon);
  expect(await lives(scene.project, undefined, docker)).toEqual(now);
}

function service(name: (typeof SERVICES)[number], repository: string): string {
  return `  ${name}:
    image: ${repository}:v1
    stop_grace_period: 2s
    x-deployer: { strategy: ${name}, watch: 3s, health: /cgi-bin/health }
`;
}
