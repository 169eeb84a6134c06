import { expect, test } from "bun:test";

import { z } from "zod";

import type { Daemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersion, lifeOf, lives } from "../support/observe.ts";
import { startScene, waitUntilUp } from "../support/scene.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const READY_DEADLINE = 30_000;
const UP_DEADLINE = 60_000;

const Ready = z.looseObject({
  ready: z.boolean(),
  failing: z.array(z.string()),
  details: z.record(z.string(), z.string()).optional(),
});

test.concurrent(
  "on a fresh host services are brought up in the order of their dependencies, each waited for",
  async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        const image = `image: ${aws.repository("web")}:v1`;
        return `
services:
  web:
    ${image}
    depends_on: { job: { condition: service_completed_successfully }, database: { condition: service_healthy } }
  job:
    ${image}
    command: ["/bin/sleep", "1"]
    depends_on: [database]
  database:
    ${image}
    environment: { APP_START_DELAY: "1" }
    healthcheck: { test: ["CMD", "/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 200ms, timeout: 2s, retries: 50 }
  idle:
    ${image}
    profiles: [tools]
  none:
    ${image}
    deploy: { replicas: 0 }
`;
      },
    });
    const { project } = scene;
    const all = await lives(project);
    expect(all.map(({ service, state, exitCode }) => [service, state, exitCode])).toEqual([
      ["database", "running", 0],
      ["job", "exited", 0],
      ["web", "running", 0],
    ]);
    const inspect = async (service: string, format: string) =>
      (
        await stage().docker.docker("inspect", "--format", format, (await lifeOf(project, service)).id)
      ).stdout.trim();
    const web = await lifeOf(project, "web");
    expect((await inspect("job", "{{.State.FinishedAt}}")) < web.startedAt).toBe(true);
    const healthLog = await inspect(
      "database",
      "{{range .State.Health.Log}}{{if eq .ExitCode 0}}ok {{end}}{{end}}",
    );
    expect(healthLog).toContain("ok");
    expect((await inspect("database", "{{.State.StartedAt}}")) < web.startedAt).toBe(true);
  },
);

test.concurrent(
  "an image that is missing is named, stops no other service, and its service's first webhook brings all it needs",
  async () => {
    await using scene = await startScene({
      waitUntilUp: false,
      compose: async (aws) => {
        await aws.publish("web", "v1");
        return `
services:
  web:
    image: ${aws.repository("web")}:v2
    ports: ["127.0.0.1::8080"]
    depends_on: [database]
  database:
    image: ${aws.repository("database")}:v1
    ports: ["127.0.0.1::8080"]
  other:
    image: ${aws.repository("web")}:v1
    ports: ["127.0.0.1::8080"]
`;
      },
    });
    const { project, daemon, aws } = scene;
    await expectVersion(project, "other", "v1");
    const withToken = await waitFor("/ready to name the images", READY_DEADLINE, async () => {
      const ready = await readiness(daemon, true);
      return ready.failing.join() === "images" && ready;
    });
    expect(withToken).toMatchObject({
      ready: false,
      images: "failing",
      docker: "ok",
      details: {
        images: `not on this host yet: database: ${aws.repository("database")}:v1, web: ${aws.repository("web")}:v2`,
      },
    });
    expect((await readiness(daemon, false)).details).toBeUndefined();
    expect((await lives(project)).map(({ service }) => service)).toEqual(["other"]);

    const early = await daemon.deploy({ service: "web" });
    expect([early.status, early.text.split("\n")[0]]).toEqual([500, "unable to update service"]);

    await aws.publish("web", "v2");
    await aws.publish("database", "v1");
    const reply = await daemon.deploy({ service: "web" });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
    await expectVersion(project, "web", "v2");
    await expectVersion(project, "database", "v1");
    await waitFor("/ready", READY_DEADLINE, async () => (await readiness(daemon, false)).ready);
    expect(await lives(project)).toHaveLength(3);
  },
);

test.concurrent("a service that cannot be started is tried again until it can", async () => {
  const port = freePort();
  const squatter = Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
  await using scene = await startScene({
    waitUntilUp: false,
    compose: async (aws) => {
      await aws.publish("web", "v1");
      const image = `image: ${aws.repository("web")}:v1`;
      return `services:\n  web: { ${image}, ports: ["127.0.0.1:${port}:8080"] }\n  other: { ${image}, ports: ["127.0.0.1::8080"] }\n`;
    },
  });
  const { project, daemon } = scene;
  try {
    await expectVersion(project, "other", "v1");
    await daemon.waitForLog((line) => line.message === "service could not be brought up");
  } finally {
    squatter.stop(true);
  }
  await waitUntilUp(daemon);
  await expectVersion(project, "web", "v1");
  expect(await lives(project)).toHaveLength(2);
});

test.concurrent("a daemon killed in the middle of bringing services up goes on where it was", async () => {
  await using scene = await startScene({
    waitUntilUp: false,
    compose: async (aws) => {
      await aws.publish("web", "v1");
      const image = `image: ${aws.repository("web")}:v1`;
      const names = ["a", "b", "c", "d"];
      return `services:\n${names.map((name) => `  ${name}: { ${image}, ports: ["127.0.0.1::8080"] }\n`).join("")}`;
    },
  });
  const { project, daemon } = scene;
  await waitFor("a first container", UP_DEADLINE, async () => (await project.containers()).length > 0);
  expect(await daemon.stop("SIGKILL")).toBe(137);
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  for (const service of ["a", "b", "c", "d"]) await expectVersion(project, service, "v1");
  expect(await lives(project)).toHaveLength(4);
});

test.concurrent("what is removed by hand comes back as it was last deployed", async () => {
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2");
      return `services:\n  web: { image: "${aws.repository("web")}:v1", ports: ["127.0.0.1::8080"] }\n`;
    },
  });
  const { project, daemon, aws } = scene;
  expect((await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` })).status).toBe(200);
  const deployed = await lifeOf(project, "web");
  expect(await daemon.stop()).toBe(0);
  await stage().docker.docker("rm", "--force", deployed.id);
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  await expectVersion(project, "web", "v2");
  expect((await lifeOf(project, "web")).image).toBe(deployed.image);
});

async function readiness(daemon: Daemon, withToken: boolean): Promise<z.infer<typeof Ready>> {
  const headers = withToken ? { Authorization: `Bearer ${await daemon.token()}` } : {};
  const reply = await daemon.request("GET", "/ready", withToken ? { headers } : {});
  const ready = Ready.parse(JSON.parse(reply.text));
  expect(reply.status).toBe(ready.ready ? 200 : 503);
  return ready;
}
