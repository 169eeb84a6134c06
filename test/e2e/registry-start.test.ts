import { expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { expectDeployed, recordDeploy, startWeb, webFile } from "../support/deploy-record.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import { waitUntilUp } from "../support/scene.ts";
import { type Aws, stageDaemon, stageProject, startAws } from "../support/stage.ts";

const REPLY_DEADLINE = 5_000;

test("a registry that is down at the start: health answers, /ready names what is missing, and all comes up with it", async () => {
  await using scene = await startWeb({
    waitUntilUp: false,
    beforeStart: (_project, aws) => aws.registry.down(),
  });
  const { aws, project, daemon } = scene;
  const failure = await daemon.waitForLog((line) => line.message === "service could not be brought up");
  expect(failure.level).toBe("error");
  expect(JSON.stringify(failure.fields)).toContain("connection refused");
  expect((await daemon.request("GET", "/health", { deadline: REPLY_DEADLINE })).status).toBe(200);
  expect(await readiness(daemon)).toEqual({
    status: 503,
    failing: ["images"],
    details: { images: `not on this host yet: web: ${aws.repository("web")}:v1` },
  });

  await aws.registry.up();
  await waitUntilUp(daemon);
  await expectVersion(project, "web", "v1");
  expect(aws.ecr.calls).toHaveLength(1);
});

test("an ECR API that is down at the start: what runs is left alone, and it recovers by itself", async () => {
  await using aws = await startAws();
  await using project = stageProject({ compose: await webFile(aws) });
  await project.login(aws.registry.address, "AWS", aws.ecr.tokens.issue().password);
  await project.compose("up", "-d");
  const before = await lifeOf(project, "web");
  const port = freePort();
  await using daemon = await stageDaemon(project, aws, { ecrUrl: `http://127.0.0.1:${port}` });
  await daemon.waitForLog((line) => line.message === "registry login failed");
  expect((await daemon.request("GET", "/health", { deadline: REPLY_DEADLINE })).status).toBe(200);
  const { status, failing, details } = await readiness(daemon);
  expect([status, failing]).toEqual([503, ["registry_credential"]]);
  expect(details["registry_credential"]).toStartWith("no ECR token from us-west-2: ");
  await expectRefusedFor(daemon, before.id);
  expect(await lifeOf(project, "web")).toEqual(before);

  using api = forwardTo(aws, port);
  expect(api.port).toBe(port);
  await daemon.waitForLog((line) => line.message === "registry login successful");
  expect(aws.ecr.calls).toHaveLength(1);
  await aws.publish("web", "v2");
  const record = await recordDeploy({ aws, daemon }, `${aws.repository("web")}:v2`);
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  await expectVersion(project, "web", "v2");
});

type Readiness = { status: number; failing: string[]; details: Record<string, string> };

async function readiness(daemon: Daemon): Promise<Readiness> {
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  const { status, text } = await daemon.request("GET", "/ready", { headers, deadline: REPLY_DEADLINE });
  const { failing, details } = JSON.parse(text) as Omit<Readiness, "status">;
  return { status, failing, details };
}

async function expectRefusedFor(daemon: Daemon, container: string): Promise<void> {
  const reply = await daemon.deploy({ service: "web" });
  expect(reply.status).toBe(500);
  expect(reply.text).toStartWith("unable to update service\nno ECR token from us-west-2: ");
  expect(reply.text).toEndWith(`in container ${container.slice(0, 12)}\n`);
}

/** The stand-in for the ECR API, at a port that was dead before. */
function forwardTo(aws: Aws, port: number) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port,
    development: false,
    async fetch(request) {
      return fetch(aws.ecr.url, {
        method: request.method,
        headers: request.headers,
        body: await request.bytes(),
      });
    },
  });
}
