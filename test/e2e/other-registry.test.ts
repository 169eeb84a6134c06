import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Daemon } from "../support/daemon.ts";
import { publishImage } from "../support/images.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import type { Project } from "../support/project.ts";
import { type RecordingRegistry, startRecordingRegistry } from "../support/recording-registry.ts";
import { startRegistry } from "../support/registry.ts";
import { waitUntilUp } from "../support/scene.ts";
import { type Aws, stage, stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const USER = "ci";
const PASSWORD = "s3cret-of-the-operator";
const LOGIN = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;
const READY_DEADLINE = 30_000;
const NO_ECR = { AWS_REGION: "", ECR_DOMAIN: "" };

const cleanup = new AsyncDisposableStack();
const path = `o${crypto.randomUUID().slice(0, 8)}`;
/** Anybody may pull. */
let open: RecordingRegistry;
/** Nobody may without a login. */
let closed: RecordingRegistry;

beforeAll(async () => {
  open = cleanup.use(await startRecordingRegistry(stage().registry));
  const guarded = cleanup.use(await startRegistry({ login: { user: USER, password: PASSWORD } }));
  closed = cleanup.use(await startRecordingRegistry(guarded));
});
afterAll(() => cleanup.disposeAsync());

test("images of three registries in one file: each gets its own credential, and no other", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  await publish(open, "cache", "v1");
  await publish(closed, "tool", "v1");
  await using project = stageProject({
    compose: composeFile({
      web: `${aws.repository("web")}:v1`,
      cache: imageOf(open, "cache", "v1"),
      tool: imageOf(closed, "tool", "v1"),
    }),
  });
  await project.login(closed.address, USER, PASSWORD);
  const written = dockerConfig(project);
  const from = marks();
  await using daemon = await stageDaemon(project, aws, { env: { HOME: homeOf(project) } });
  await waitUntilUp(daemon);
  for (const service of ["web", "cache", "tool"]) await expectVersion(project, service, "v1");

  await publish(open, "cache", "v2");
  await publish(closed, "tool", "v2");
  await expectDeployed(daemon, "cache", imageOf(open, "cache", "v2"));
  await expectDeployed(daemon, "tool", imageOf(closed, "tool", "v2"));
  for (const service of ["cache", "tool"]) await expectVersion(project, service, "v2");

  expect(seenBy(open, from.open)).toEqual(["none"]);
  expect(seenBy(closed, from.closed)).toEqual([LOGIN, "none"]);
  expect(usersOf(aws)).toEqual(["AWS", "none"]);
  expect(aws.ecr.calls).toHaveLength(1);
  expectUntouched(project, daemon, written);
});

test("another registry's refusal is told at once, and starts no ECR login", async () => {
  await using aws = await startAws();
  await publish(closed, "tool", "v3");
  await publish(open, "tool", "v3");
  await using project = stageProject({ compose: composeFile({ tool: imageOf(open, "tool", "v3") }) });
  await using daemon = await stageDaemon(project, aws);
  await waitUntilUp(daemon);
  const before = await lifeOf(project, "tool");
  project.write(composeFile({ tool: imageOf(closed, "tool", "v3") }));
  const from = marks();
  const reply = await daemon.deploy({ service: "tool" });
  expect(reply.status).toBe(500);
  expect(reply.text).toStartWith(
    `unable to update service\nregistry ${closed.address} refused access to ${imageOf(closed, "tool", "v3")}: `,
  );
  expect(reply.text).toContain(`no basic auth credentials\nwhat serves now: ${before.image} in container `);
  expect(seenBy(closed, from.closed)).toEqual(["none"]);
  expect(closed.authorizations.length - from.closed).toBe(1);
  expect(aws.ecr.calls).toHaveLength(1);
  expect(await lifeOf(project, "tool")).toEqual(before);
});

test("REGISTRY_AUTH=docker: the operator's login is used, and AWS is never asked", async () => {
  await using aws = await startAws();
  await publish(closed, "tool", "v4");
  await publish(closed, "tool", "v5");
  await using project = stageProject({ compose: composeFile({ tool: imageOf(closed, "tool", "v4") }) });
  await project.login(closed.address, USER, PASSWORD);
  const written = dockerConfig(project);
  const from = marks();
  await using daemon = await stageDaemon(project, aws, {
    env: { ...NO_ECR, REGISTRY_AUTH: "docker", HOME: homeOf(project) },
  });
  await waitUntilUp(daemon);
  await expectDeployed(daemon, "tool", imageOf(closed, "tool", "v5"));
  await expectVersion(project, "tool", "v5");
  expect(seenBy(closed, from.closed)).toEqual([LOGIN, "none"]);
  expect(aws.ecr.calls).toEqual([]);
  await waitFor("/ready", READY_DEADLINE, async () => (await daemon.request("GET", "/ready")).status === 200);
  expectUntouched(project, daemon, written);
});

test("REGISTRY_AUTH=none: no credential is sent, although the operator has logged in", async () => {
  await using aws = await startAws();
  await publish(open, "cache", "v4");
  await publish(closed, "cache", "v4");
  await using project = stageProject({ compose: composeFile({ cache: imageOf(open, "cache", "v4") }) });
  await project.login(open.address, USER, PASSWORD);
  await project.login(closed.address, USER, PASSWORD);
  const from = marks();
  await using daemon = await stageDaemon(project, aws, {
    env: { ...NO_ECR, REGISTRY_AUTH: "none", HOME: homeOf(project) },
  });
  await waitUntilUp(daemon);
  await expectVersion(project, "cache", "v4");
  project.write(composeFile({ cache: imageOf(closed, "cache", "v4") }));
  const refused = await daemon.deploy({ service: "cache" });
  expect([refused.status, refused.text.includes("no basic auth credentials")]).toEqual([500, true]);
  expect(seenBy(open, from.open)).toEqual(["none"]);
  expect(seenBy(closed, from.closed)).toEqual(["none"]);
  expect(aws.ecr.calls).toEqual([]);
});

function publish(registry: RecordingRegistry, name: string, tag: string): Promise<unknown> {
  return publishImage(registry, { repository: `${path}/${name}`, tag, version: tag });
}

function imageOf(registry: RecordingRegistry, name: string, tag: string): string {
  return `${registry.address}/${path}/${name}:${tag}`;
}

function composeFile(images: Record<string, string>): string {
  const services = Object.entries(images).map(
    ([service, image]) => `  ${service}:\n    image: ${image}\n    ports: ["127.0.0.1::8080"]\n`,
  );
  return `services:\n${services.join("")}`;
}

async function expectDeployed(daemon: Daemon, service: string, image: string): Promise<void> {
  const reply = await daemon.deploy({ service, image });
  expect([reply.status, reply.text]).toEqual([200, `deploy request successful for service ${service}\n`]);
}

/** So that a test judges its own requests only. */
function marks(): { open: number; closed: number } {
  return { open: open.authorizations.length, closed: closed.authorizations.length };
}

/** The different Authorization headers a registry got, sorted. */
function seenBy(registry: RecordingRegistry, from: number): string[] {
  const seen = registry.authorizations.slice(from);
  expect(seen).not.toBeEmpty();
  return [...new Set(seen.map((header) => header ?? "none"))].toSorted();
}

function usersOf(aws: Aws): string[] {
  return [...new Set(aws.registry.requests.map(({ user }) => user ?? "none"))].toSorted();
}

function homeOf(project: Project): string {
  return project.env["HOME"] ?? "";
}

function dockerConfig(project: Project): string {
  return readFileSync(join(homeOf(project), ".docker", "config.json"), "utf8");
}

/** The docker CLI's folder is as the operator left it, and the log knows nothing of the login. */
function expectUntouched(project: Project, daemon: Daemon, written: string): void {
  expect(dockerConfig(project)).toBe(written);
  expect(readdirSync(join(homeOf(project), ".docker"))).toEqual(["config.json"]);
  const printed = JSON.stringify(daemon.log()) + daemon.noise();
  expect(printed).not.toContain(PASSWORD);
  expect(printed).not.toContain(LOGIN.slice("Basic ".length));
}
