import { describe, expect, test } from "bun:test";

import type { Daemon, Reply } from "../support/daemon.ts";
import { nextEvent } from "../support/docker-events.ts";
import { expectVersion, lifeOf, lives } from "../support/observe.ts";
import { descendants, signalTree } from "../support/process-tree.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const CHILD_DEADLINE = 20_000;
const PAYLOAD_BYTES = 600_000;
const SLOW_BYTES_PER_SECOND = 200_000;
const SUCCESS: [number, string] = [200, "deploy request successful for service web\n"];

const FORMS: Readonly<Record<string, string>> = {
  plain: "",
  fixed: "    container_name: NAME\n",
  anonymous: "    volumes: [/data]\n",
};

type Moment = {
  when: string;
  /** Called before the deployment is asked for; resolves when its moment has come. */
  watch: (scene: Scene) => Promise<() => Promise<unknown>>;
};

const STARTED: Moment = {
  when: "as soon as the deployment has started",
  watch:
    async ({ daemon }) =>
    () =>
      daemon.waitForLog((line) => line.message === "deployment started"),
};
const MOMENTS: readonly Moment[] = [
  STARTED,
  {
    when: "while Compose makes the candidate",
    watch:
      async ({ daemon }) =>
      () =>
        waitFor("Compose to make a container", CHILD_DEADLINE, () =>
          descendants(daemon.pid).some(({ args }) => args.includes("--no-start")),
        ),
  },
  { when: "while the old container is being stopped", watch: eventMoment("kill") },
  { when: "when the candidate has just been started", watch: eventMoment("start") },
];

for (const { when, watch } of MOMENTS) {
  test.concurrent(`SIGTERM ${when}: the deployment is finished, then the daemon ends with 0`, async () => {
    await using scene = await startWeb("plain");
    const { project, daemon, aws } = scene;
    const reached = await watch(scene);
    const call = daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
    await reached();
    const exit = daemon.stop("SIGTERM");
    const reply = await call;
    expect([reply.status, reply.text]).toEqual(SUCCESS);
    expect(await exit).toBe(0);
    await expectVersion(project, "web", "v2");
    expect(await lives(project)).toHaveLength(1);
  });
}

test.concurrent(
  "SIGTERM during a slow pull: new requests are refused, the running one is finished, the waiting one runs at the next start",
  async () => {
    await using scene = await startWeb("plain");
    const { project, daemon, aws } = scene;
    await aws.publish("web", "large", { version: "v3", payloadBytes: PAYLOAD_BYTES });
    aws.registry.faults.add(
      { kind: "slow", bytesPerSecond: SLOW_BYTES_PER_SECOND },
      { on: "blob", minBytes: PAYLOAD_BYTES / 2 },
    );
    const image = aws.repository("web");
    const running = daemon.deploy({ service: "web", image: `${image}:large` });
    await daemon.waitForLog((line) => line.message === "deployment started");
    const waiting = daemon.deploy({ service: "web", image: `${image}:v2` });
    await waitFor(
      "the second to be accepted",
      CHILD_DEADLINE,
      () => daemon.log().filter((line) => line.message === "deployment accepted").length === 2,
    );
    const exit = daemon.stop("SIGTERM");
    await daemon.waitForLog((line) => line.message.startsWith("stopping"));

    const late = await daemon.deploy({ service: "web", image: `${image}:v2` });
    expect([late.status, late.text, late.headers.get("Retry-After")]).toEqual([
      503,
      "the daemon is shutting down\n",
      "30",
    ]);
    expect((await daemon.request("GET", "/health")).status).toBe(200);
    const [first, second] = await Promise.all([running, waiting]);
    expect([first.status, first.text]).toEqual(SUCCESS);
    const id = second.headers.get("Deployer-Deployment");
    expect([second.status, second.text]).toEqual([
      503,
      `the daemon is shutting down; deployment ${id} is on disk and runs after the restart\n`,
    ]);
    expect(second.headers.get("Location")).toBe(`/deployments/${id}`);
    expect(await exit).toBe(0);
    await expectVersion(project, "web", "v3");

    await using again = await daemon.startAgain();
    expect(await recordOf(again, second, { Prefer: "wait=60" })).toMatchObject({
      status: "succeeded",
      changed: true,
    });
    await expectVersion(project, "web", "v2");
    expect(await recordOf(again, first)).toMatchObject({ status: "succeeded", changed: true });
    expect(await lives(project)).toHaveLength(1);
  },
);

describe.each(Object.keys(FORMS))("%s", (form) => {
  for (const { when, watch } of MOMENTS) {
    test.concurrent(
      `SIGTERM to the daemon of a ${form} service and all its children ${when}: it is finished all the same`,
      async () => {
        await using scene = await startWeb(form);
        const { project, daemon, aws } = scene;
        const reached = await watch(scene);
        const call = daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
        await reached();
        signalTree(daemon.pid, "SIGTERM");
        const reply = await call;
        expect([reply.status, reply.text]).toEqual(SUCCESS);
        expect(await daemon.exit).toBe(0);
        await expectVersion(project, "web", "v2");
        const { id } = await lifeOf(project, "web");
        if (form === "anonymous") {
          const note = await stage().docker.docker("exec", id, "cat", "/data/note");
          expect(note.stdout).toBe("kept\n");
        }
        if (form === "fixed") expect((await lifeOf(project, "web")).name).toStartWith("stop-");
      },
    );
  }
});

test.concurrent(
  "SIGTERM to all processes while the compose file is being read again harms nothing",
  async () => {
    await using scene = await startWeb("plain");
    const { project, daemon, aws } = scene;
    const before = await lifeOf(project, "web");
    project.writeFile(".env", "ANYTHING=new\n");
    const call = daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
    await waitFor("Compose to read the file", CHILD_DEADLINE, () =>
      descendants(daemon.pid).some(({ args }) => args.includes("config")),
    );
    signalTree(daemon.pid, "SIGTERM");
    const reply = await call;
    expect([reply.status, reply.text]).toEqual([503, "the daemon is shutting down\n"]);
    expect(await daemon.exit).toBe(0);
    expect(await lifeOf(project, "web")).toEqual(before);
  },
);

test.concurrent(
  "SIGTERM while services are being brought up: the next start brings up the rest",
  async () => {
    await using scene = await startScene({
      waitUntilUp: false,
      compose: async (aws) => {
        await aws.publish("web", "v1");
        const names = ["a", "b", "c", "d"];
        const text = `{ image: "${aws.repository("web")}:v1", ports: ["127.0.0.1::8080"] }`;
        return `services:\n${names.map((name) => `  ${name}: ${text}\n`).join("")}`;
      },
    });
    const { project, daemon } = scene;
    await waitFor("a first container", CHILD_DEADLINE, async () => (await project.containers()).length > 0);
    signalTree(daemon.pid, "SIGTERM");
    expect(await daemon.exit).toBe(0);
    await using again = await daemon.startAgain();
    await waitUntilUp(again);
    for (const service of ["a", "b", "c", "d"]) await expectVersion(project, service, "v1");
    expect(await lives(project)).toHaveLength(4);
  },
);

function eventMoment(event: string): Moment["watch"] {
  return async ({ project }) => {
    const { seen } = await nextEvent(project, event);
    return () => seen;
  };
}

async function startWeb(form: string): Promise<Scene> {
  const scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2");
      const more = (FORMS[form] ?? "").replace("NAME", `stop-${crypto.randomUUID().slice(0, 8)}`);
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]\n${more}`;
    },
  });
  const { id } = await lifeOf(scene.project, "web");
  if (form === "anonymous") await stage().docker.docker("exec", id, "sh", "-c", "echo kept > /data/note");
  return scene;
}

async function recordOf(
  daemon: Daemon,
  reply: Reply,
  more: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const path = `/deployments/${reply.headers.get("Deployer-Deployment")}`;
  const headers = { Authorization: `Bearer ${await daemon.token()}`, ...more };
  return JSON.parse((await daemon.request("GET", path, { headers })).text);
}
