import { describe, expect, test } from "bun:test";

import type { Daemon, Reply } from "../support/daemon.ts";
import { type DeploymentRecord, idOf, recordOf } from "../support/deployment-record.ts";
import { nextEvent } from "../support/docker-events.ts";
import { ask, expectVersion, expectVersionInside, lifeOf, upByHand } from "../support/observe.ts";
import type { Project } from "../support/project.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const FORMS: Readonly<Record<string, string>> = {
  plain: "",
  fixed: `    container_name: recovery-${crypto.randomUUID().slice(0, 8)}\n`,
  anonymous: "    volumes: [/data]\n",
};

const STOP_GRACE_SECONDS = 2;
/** A container's end and another one's start, where Docker and Compose do the same for many others. */
const STOP_AND_START_MS = STOP_GRACE_SECONDS * 1000 + 8_000;
const SERVES_WITHIN_MS = STOP_AND_START_MS + 5_000;

/** Events of Docker at which the daemon is killed; what it is doing then. */
const INSTANTS: [event: string, when: string][] = [
  ["create", "when the candidate has been created"],
  ["kill", "while the old container is being stopped"],
  ["die", "when the old container has stopped"],
  ["start", "when the candidate has been started"],
];

describe.each(Object.keys(FORMS))("%s", (form) => {
  for (const ignoresTerm of [false, true]) {
    const how = ignoresTerm ? "slow to stop" : "quick to stop";
    test.concurrent(
      `the daemon of a ${form} service, ${how}, is killed at any instant of a deployment: the next one finishes it, nothing is left over`,
      async () => {
        await using scene = await startWeb(form, { ignoresTerm });
        const { project, aws } = scene;
        await using daemons = new AsyncDisposableStack();
        let { daemon } = scene;
        const { name } = await lifeOf(project, "web");

        for (const [index, [event, when]] of INSTANTS.entries()) {
          const version = `v${index + 2}`;
          await aws.publish("web", version, { ignoresTerm });
          const accepted = await killAt(event, scene, daemon, version);
          daemon = daemons.use(await daemon.startAgain());
          await expectSomebodyServes(project);
          await expectEnd(daemon, accepted, when, { status: "succeeded", changed: true, reason: "" });
          await expectVersion(project, "web", version);
          await lifeOf(project, "web");
          await expectNote(scene, form);
        }
        const deployed = await lifeOf(project, "web");
        if (form === "fixed") expect(deployed.name).toBe(name);
        await upByHand(project, daemon);
        expect(await lifeOf(project, "web")).toEqual(deployed);
      },
    );
  }

  test.concurrent(
    `the daemon of a ${form} service is killed at any instant of a deployment that fails: the next one brings the old version back`,
    async () => {
      await using scene = await startWeb(form);
      const { project, aws } = scene;
      await aws.publish("web", "broken", { exitCode: 3 });
      await using daemons = new AsyncDisposableStack();
      let { daemon } = scene;

      for (const [event, when] of INSTANTS) {
        const accepted = await killAt(event, scene, daemon, "broken");
        daemon = daemons.use(await daemon.startAgain());
        await expectSomebodyServes(project);
        await expectEnd(daemon, accepted, when, {
          status: "rolled_back",
          changed: false,
          reason: expect.stringContaining("exited with code 3"),
        });
        await expectVersion(project, "web", "v1");
        await expectNote(scene, form);
      }
      const restored = await lifeOf(project, "web");
      await upByHand(project, daemon);
      expect(await lifeOf(project, "web")).toEqual(restored);
    },
  );

  test.concurrent(
    `a daemon that is killed again while it recovers (${form}) recovers the next time`,
    async () => {
      await using scene = await startWeb(form);
      const { project, aws, daemon } = scene;
      await aws.publish("web", "broken", { exitCode: 3 });
      const accepted = await killAt("start", scene, daemon, "broken");

      const goingBack = await nextEvent(project, "destroy");
      await using second = await daemon.startAgain();
      await goingBack.seen;
      expect(await second.stop("SIGKILL")).toBe(137);

      await using third = await second.startAgain();
      await expectSomebodyServes(project);
      await expectEnd(third, accepted, "after two crashes", { status: "rolled_back", changed: false });
      await expectVersion(project, "web", "v1");
      await lifeOf(project, "web");
      await expectNote(scene, form);
      await aws.publish("web", "v2");
      const reply = await third.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
      expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
      await expectVersion(project, "web", "v2");
      await expectNote(scene, form);
    },
  );
});

test.concurrent(
  "a deployment whose switch was committed when the daemon was killed has succeeded",
  async () => {
    await using scene = await startWeb("plain", { ignoresTerm: true });
    const { project, aws, daemon } = scene;
    await aws.publish("web", "v2");
    const accepted = await killAt("destroy", scene, daemon, "v2");
    await using second = await daemon.startAgain();
    await waitUntilUp(second);
    await expectEnd(second, accepted, "committed", { status: "succeeded", changed: true });
    await expectVersion(project, "web", "v2");
    const deployed = await lifeOf(project, "web");
    await upByHand(project, second);
    expect(await lifeOf(project, "web")).toEqual(deployed);
  },
);

test.concurrent(
  "a deployment that is interrupted before the switch each time is begun three times: it has failed, nothing that serves was touched",
  async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    x-deployer: { strategy: rolling }\n`;
      },
    });
    const { project } = scene;
    await using daemons = new AsyncDisposableStack();
    const before = await lifeOf(project, "web");

    const accepted = await killAt("start", scene, scene.daemon, "v2");
    let { daemon } = scene;
    for (const _ of ["second", "third"]) {
      const { seen } = await nextEvent(project, "start");
      daemon = daemons.use(await daemon.startAgain());
      await seen;
      expect(await daemon.stop("SIGKILL")).toBe(137);
    }
    daemon = daemons.use(await daemon.startAgain());
    await expectEnd(daemon, accepted, "after three crashes", {
      status: "failed",
      changed: false,
      reason: expect.stringMatching(/^interrupted: the daemon stopped before the deployment could end\n/),
    });
    await expectVersionInside(project, "web", "v1");
    expect(await lifeOf(project, "web")).toEqual(before);
  },
);

async function startWeb(form: string, { ignoresTerm = false } = {}): Promise<Scene> {
  const scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1", { ignoresTerm });
      const web = `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]\n    stop_grace_period: ${STOP_GRACE_SECONDS}s\n`;
      return `services:\n  web:\n    ${web}${uniqueName(form)}`;
    },
  });
  const { id } = await lifeOf(scene.project, "web");
  if (form === "anonymous") await stage().docker.docker("exec", id, "sh", "-c", "echo kept > /data/note");
  return scene;
}

let names = 0;

function uniqueName(form: string): string {
  names += 1;
  return (FORMS[form] ?? "").replace("recovery-", `recovery-${names}-`);
}

/** Deploys a version and kills the daemon as soon as Docker tells of this. */
async function killAt(
  event: string,
  { project, aws }: Scene,
  daemon: Daemon,
  version: string,
): Promise<Reply> {
  const { seen } = await nextEvent(project, event);
  const image = `${aws.repository("web")}:${version}`;
  const accepted = await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" });
  await seen;
  expect(await daemon.stop("SIGKILL")).toBe(137);
  return accepted;
}

/** Within what the crash rules allow, from now. */
async function expectSomebodyServes(project: Project): Promise<void> {
  await waitFor("a version to serve", SERVES_WITHIN_MS, async () => {
    for (const { state, ports } of await project.containers())
      if (state === "running" && (await ask(ports[8080])) !== undefined) return true;
    return false;
  });
}

async function expectEnd(
  daemon: Daemon,
  accepted: Reply,
  when: string,
  end: { status: string; changed: boolean; reason?: unknown },
): Promise<void> {
  const { status, changed, reason }: DeploymentRecord = await recordOf(daemon, idOf(accepted));
  const expected = { reason: expect.any(String), ...end };
  expect({ when, status, changed, reason }).toEqual({ when, ...expected });
}

async function expectNote({ project }: Scene, form: string): Promise<void> {
  if (form !== "anonymous") return;
  const { id } = await lifeOf(project, "web");
  expect((await stage().docker.docker("exec", id, "cat", "/data/note")).stdout).toBe("kept\n");
}
