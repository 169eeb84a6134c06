import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { eventsOf, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersionInside, lifeOf, lives, upByHand } from "../support/observe.ts";
import { peerService } from "../support/peer.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";
import { startWitnesses, type Witnesses, wrongAnswers } from "../support/witnesses.ts";

const SERVICES = ["recreate", "rolling"] as const;
const BACK_DEADLINE = 30_000;
const TAG = { good: "v2", bad: "exits" };

let docker: PrivateDocker;
let scene: Scene;
/** Where this machine finds `recreate`, whatever address its container has. */
const port = freePort();
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1 }));
  scene = cleanup.use(
    await startScene({
      docker,
      compose: async (aws) => {
        await aws.publish("web", "v1", { drainFor: 0.3 });
        await aws.publish("web", TAG.good);
        await aws.publish("web", TAG.bad, { crashAfter: 2 });
        const image = `${aws.repository("web")}:v1`;
        return `services:\n${SERVICES.map((name) => service(name, image)).join("")}${peerService(image)}`;
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
      expect([name, back.status], back.text).toEqual([name, 200]);
    }
    await using witnesses = await startWitnesses(
      project,
      [
        { service: "recreate", port },
        { service: "rolling", port: undefined },
      ],
      docker,
    );
    for (const name of SERVICES) await witnesses.next(name, ({ version }) => version === "v1");
    const since = Date.now();
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
    await expectRunning("peer");
    await witnesses.renewPeer();

    for (const [index, name] of SERVICES.entries()) {
      const { status, reason } = await recordOf(daemon, ids[index] ?? "");
      expect(["succeeded", "failed", "rolled_back"], reason).toContain(status);
      if (kind === "bad") expect(status).not.toBe("succeeded");
      const serving = status === "succeeded" ? TAG.good : "v1";
      await expectServing(name, serving, before[index]?.id ?? "", status);
      await expectSeen(witnesses, name, since, { id: ids[index] ?? "", candidate: TAG[kind], serving });
    }
    await expectQuiet(daemon);
  },
);

/** Not another copy of what ran, but the very same container, when it was gone back. */
async function expectServing(name: string, version: string, before: string, status: string): Promise<void> {
  await expectRunning(name);
  await expectVersionInside(scene.project, name, version, docker);
  const { id } = await lifeOf(scene.project, name, docker);
  if (status === "succeeded") expect(id).not.toBe(before);
  else expect(id).toBe(before);
}

/**
 * The containers stop with Docker, so there are questions without an answer; but an answer was from the old version or
 * the new one, of which no one was seen before the switch, nor after the end unless it serves then.
 */
async function expectSeen(
  witnesses: Witnesses,
  name: (typeof SERVICES)[number],
  since: number,
  { id, candidate, serving }: { id: string; candidate: string; serving: string },
): Promise<void> {
  // At the address that a rolling one had before, this machine may find another by now.
  const who = name === "rolling" ? "peer" : undefined;
  await witnesses.next(name, ({ version }) => version === serving, who);
  const told = { old: "v1", candidate, serving, events: await eventsOf(scene.daemon, id) };
  expect(wrongAnswers(witnesses.answers(name, since, who), told)).toEqual([]);
  const versions = new Set(witnesses.answers(name, since).map(({ version }) => version));
  expect([undefined, "v1", candidate]).toEqual(expect.arrayContaining([...versions]));
}

async function expectRunning(name: string): Promise<void> {
  await waitFor(`${name} to run`, BACK_DEADLINE, async () =>
    (await lives(scene.project, name, docker)).every(({ state }) => state === "running"),
  );
}

/** Nothing is left to be done: a person's own `up -d` finds all as it should be. */
async function expectQuiet(daemon: Daemon): Promise<void> {
  const now = await lives(scene.project, undefined, docker);
  await upByHand(scene.project, daemon);
  expect(await lives(scene.project, undefined, docker)).toEqual(now);
}

function service(name: (typeof SERVICES)[number], image: string): string {
  const ports = name === "recreate" ? `    ports: ["127.0.0.1:${port}:8080"]\n` : "";
  return `  ${name}:
    image: ${image}
    stop_grace_period: 2s
    x-deployer: { strategy: ${name}, watch: 3s, health: /cgi-bin/health }
${ports}`;
}
