import { describe, expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { nextEvent } from "../support/docker-events.ts";
import { expectVersion, lifeOf, upByHand } from "../support/observe.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { stage } from "../support/stage.ts";

const FORMS: Readonly<Record<string, string>> = {
  plain: "",
  fixed: `    container_name: recovery-${crypto.randomUUID().slice(0, 8)}\n`,
  anonymous: "    volumes: [/data]\n",
};

const STOP_GRACE_SECONDS = 2;

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
      `the daemon of a ${form} service, ${how}, is killed at any instant of a deployment: the old version serves, nothing is left over`,
      async () => {
        await using scene = await startWeb(form, ignoresTerm);
        const { project, aws } = scene;
        const image = `${aws.repository("web")}:v2`;
        await using daemons = new AsyncDisposableStack();
        let { daemon } = scene;
        const { name } = await lifeOf(project, "web");

        for (const [event, when] of INSTANTS) {
          const { seen } = await nextEvent(project, event);
          const accepted = await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" });
          await seen;
          expect(await daemon.stop("SIGKILL")).toBe(137);
          daemon = daemons.use(await daemon.startAgain());
          await expectInterrupted(scene, daemon, accepted.headers.get("Deployer-Deployment") ?? "", when);
          // A stop that Docker was asked for by the killed one would be over by then.
          if (ignoresTerm && event === "kill") await Bun.sleep(STOP_GRACE_SECONDS * 1000);
          await expectVersion(project, "web", "v1");
        }
        if (form === "fixed") expect((await lifeOf(project, "web")).name).toBe(name);

        const reply = await daemon.deploy({ service: "web", image });
        expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
        await expectVersion(project, "web", "v2");
        await expectNote(scene, form);
        const deployed = await lifeOf(project, "web");
        await upByHand(project, daemon);
        expect(await lifeOf(project, "web")).toEqual(deployed);
      },
    );
  }

  test.concurrent(
    `a daemon that is killed again while it recovers (${form}) recovers the next time`,
    async () => {
      await using scene = await startWeb(form, false);
      const { project, aws, daemon } = scene;
      const image = `${aws.repository("web")}:v2`;
      const { seen } = await nextEvent(project, "start");
      const accepted = await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" });
      await seen;
      expect(await daemon.stop("SIGKILL")).toBe(137);

      const undoing = await nextEvent(project, "die");
      await using second = await daemon.startAgain();
      await undoing.seen;
      expect(await second.stop("SIGKILL")).toBe(137);

      await using third = await second.startAgain();
      await expectInterrupted(
        scene,
        third,
        accepted.headers.get("Deployer-Deployment") ?? "",
        "after two crashes",
      );
      expect((await third.deploy({ service: "web", image })).status).toBe(200);
      await expectVersion(project, "web", "v2");
      await expectNote(scene, form);
    },
  );
});

test.concurrent(
  "a deployment whose switch was committed when the daemon was killed has succeeded",
  async () => {
    await using scene = await startWeb("plain", true);
    const { project, aws, daemon } = scene;
    const { seen } = await nextEvent(project, "destroy");
    const reply = await daemon.deploy(
      { service: "web", image: `${aws.repository("web")}:v2` },
      { Prefer: "respond-async" },
    );
    await seen;
    expect(await daemon.stop("SIGKILL")).toBe(137);
    await using second = await daemon.startAgain();
    await waitUntilUp(second);
    const id = reply.headers.get("Deployer-Deployment") ?? "";
    expect(await recordOf(second, id)).toMatchObject({ status: "succeeded", changed: true });
    await expectVersion(project, "web", "v2");
    const deployed = await lifeOf(project, "web");
    await upByHand(project, second);
    expect(await lifeOf(project, "web")).toEqual(deployed);
  },
);

async function startWeb(form: string, ignoresTerm: boolean): Promise<Scene> {
  const scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1", { ignoresTerm });
      await aws.publish("web", "v2");
      const web = `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]\n    stop_grace_period: ${STOP_GRACE_SECONDS}s\n`;
      return `services:\n  web:\n    ${web}${uniqueName(form, ignoresTerm)}`;
    },
  });
  const { id } = await lifeOf(scene.project, "web");
  if (form === "anonymous") await stage().docker.docker("exec", id, "sh", "-c", "echo kept > /data/note");
  return scene;
}

let names = 0;

function uniqueName(form: string, ignoresTerm: boolean): string {
  names += 1;
  return (FORMS[form] ?? "").replace("recovery-", `recovery-${ignoresTerm ? "slow" : "quick"}-${names}-`);
}

async function expectInterrupted(scene: Scene, daemon: Daemon, id: string, when: string): Promise<void> {
  await waitUntilUp(daemon);
  const record = await recordOf(daemon, id);
  expect([when, record]).toEqual([
    when,
    expect.objectContaining({
      status: "failed",
      changed: false,
      reason: expect.stringMatching(/^interrupted: the daemon stopped before the deployment could end\n/),
    }),
  ]);
  await expectVersion(scene.project, "web", "v1");
  await lifeOf(scene.project, "web");
}

async function expectNote({ project }: Scene, form: string): Promise<void> {
  if (form !== "anonymous") return;
  const { id } = await lifeOf(project, "web");
  expect((await stage().docker.docker("exec", id, "cat", "/data/note")).stdout).toBe("kept\n");
}

async function recordOf(daemon: Daemon, id: string): Promise<unknown> {
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  return JSON.parse((await daemon.request("GET", `/deployments/${id}`, { headers })).text);
}
