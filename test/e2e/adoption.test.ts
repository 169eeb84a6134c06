import { expect, test } from "bun:test";

import { expectVersion, lifeOf, lives, upByHand } from "../support/observe.ts";
import { startScene, waitUntilUp } from "../support/scene.ts";
import { type Aws, stage } from "../support/stage.ts";
import type { Project } from "../support/project.ts";
import { waitFor } from "../support/wait.ts";

const ENDED_DEADLINE = 10_000;

test.concurrent(
  "containers that docker compose up left running are taken over without a restart",
  async () => {
    await using scene = await startScene({
      compose: manyForms,
      files: { "web.env": 'GREETING=good "morning" $$\n', "secret.txt": "hush" },
      beforeStart: upAsBefore,
      waitUntilUp: false,
    });
    const { project, daemon, aws } = scene;
    const before = await lives(project);
    await waitUntilUp(daemon);
    expect(await lives(project)).toEqual(before);

    for (const service of new Set(before.map((life) => life.service))) {
      // Compose's hash of `beside` holds the id of another container, which the recorded configuration cannot.
      if (service === "job" || service === "beside") continue;
      const reply = await daemon.deploy({ service }, { Accept: "application/json" });
      expect([service, JSON.parse(reply.text)]).toEqual([
        service,
        expect.objectContaining({ status: "succeeded", changed: false }),
      ]);
    }
    expect(await lives(project)).toEqual(before);
    await upByHand(project, daemon);
    expect(withoutJob(await lives(project))).toEqual(withoutJob(before));

    await aws.publish("web", "v2");
    const reply = await daemon.deploy({ service: "fixed", image: `${aws.repository("web")}:v2` });
    expect(reply.status).toBe(200);
    await expectVersion(project, "fixed", "v2");
    const others = (all: typeof before) => withoutJob(all).filter(({ service }) => service !== "fixed");
    expect(others(await lives(project))).toEqual(others(before));
  },
);

test.concurrent(
  "what a person has stopped stays stopped over restarts of the daemon, until its next deployment",
  async () => {
    await using scene = await startScene({ compose: webAndWorker });
    const { project, daemon } = scene;
    await stage().docker.docker("stop", (await lifeOf(project, "worker")).id);
    const stopped = await lives(project);
    expect(stopped.map(({ state }) => state)).toEqual(["running", "exited"]);
    expect(await daemon.stop()).toBe(0);
    await using second = await daemon.startAgain();
    await waitUntilUp(second);
    expect(await lives(project)).toEqual(stopped);
    expect(await second.stop("SIGKILL")).toBe(137);
    await using third = await second.startAgain();
    await waitUntilUp(third);
    expect(await lives(project)).toEqual(stopped);
    expect((await third.deploy({ service: "worker" })).status).toBe(200);
    await expectVersion(project, "worker", "v1");
  },
);

test.concurrent("a container stopped by a person while the daemon was away stays stopped", async () => {
  await using scene = await startScene({ compose: webAndWorker });
  const { project, daemon } = scene;
  expect(await daemon.stop()).toBe(0);
  await stage().docker.docker("stop", (await lifeOf(project, "worker")).id);
  const stopped = await lives(project);
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  expect(await lives(project)).toEqual(stopped);
});

test.concurrent(
  "a job that ended with 0 is not run again: not at a start, not for the service that needs it",
  async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        const image = `image: ${aws.repository("web")}:v1`;
        return `services:
  job: { ${image}, command: ["/bin/true"] }
  web: { ${image}, ports: ["127.0.0.1::8080"], depends_on: { job: { condition: service_completed_successfully } } }
`;
      },
    });
    const { project, daemon, aws } = scene;
    const job = await ended(project, "job");
    expect(await daemon.stop()).toBe(0);
    await using second = await daemon.startAgain();
    await waitUntilUp(second);
    expect(await lifeOf(project, "job")).toEqual(job);
    const reply = await second.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
    expect(await lifeOf(project, "job")).toEqual(job);
  },
);

/** As the original left them: signed in by the CLI, pulled and started by Compose. */
async function upAsBefore(project: Project, aws: Aws): Promise<void> {
  await project.login(aws.registry.address, "AWS", aws.ecr.tokens.issue().password);
  await project.compose("up", "-d");
  await ended(project, "job");
}

async function ended(project: Project, service: string) {
  return waitFor(`${service} to end`, ENDED_DEADLINE, async () => {
    const life = await lifeOf(project, service);
    return life.state === "exited" && life;
  });
}

function withoutJob<T extends { service: string }>(all: T[]): T[] {
  return all.filter(({ service }) => service !== "job");
}

async function webAndWorker(aws: Aws): Promise<string> {
  await aws.publish("web", "v1");
  const text = `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]`;
  return `services:\n  web:\n    ${text}\n  worker:\n    ${text}\n    restart: unless-stopped\n`;
}

async function manyForms(aws: Aws): Promise<string> {
  await aws.publish("web", "v1");
  await aws.publish("declared", "v1", { volumes: ["/data"] });
  const web = `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]`;
  return `
services:
  job:
    image: ${aws.repository("web")}:v1
    command: ["/bin/true"]
  cache:
    ${web}
    healthcheck: { test: ["CMD", "/bin/true"], interval: 200ms }
  dependent:
    ${web}
    depends_on: { job: { condition: service_completed_successfully }, cache: { condition: service_healthy } }
  settings:
    ${web}
    env_file: web.env
    secrets: [hush]
  twins:
    ${web}
    deploy: { replicas: 2 }
  anonymous:
    ${web}
    volumes: ["/data", "kept:/kept"]
  declared:
    image: ${aws.repository("declared")}:v1
  fixed:
    ${web}
    container_name: adopted-${crypto.randomUUID().slice(0, 8)}
    restart: always
  linked:
    ${web}
    links: ["cache:memory"]
  beside:
    image: ${aws.repository("web")}:v1
    network_mode: service:cache
    environment: { APP_PORT: "8081" }
volumes:
  kept: {}
secrets:
  hush: { file: ./secret.txt }
`;
}
