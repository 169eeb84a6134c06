import { ECRClient, GetAuthorizationTokenCommand } from "@aws-sdk/client-ecr";
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";

import { startDocker } from "../support/docker.ts";
import { startEcr } from "../support/ecr.ts";
import { engineLookUp, enginePull } from "../support/engine-pull.ts";
import { freePort } from "../support/free-port.ts";
import { publishImage } from "../support/images.ts";
import type { FaultStatus } from "../support/registry-faults.ts";
import { startRegistry } from "../support/registry.ts";
import { run } from "../support/run.ts";
import { stage, stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const SERVE_DEADLINE = 10_000;
const EXPIRED = "denied: Your authorization token has expired. Reauthenticate and try again.";

test("a published version is pulled with an ECR token, and serves", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  const { docker } = stage();
  const token = aws.ecr.tokens.issue();
  expect(await enginePull(docker, aws.repository("web"), "v1", token.password)).toEqual({
    status: 200,
    error: undefined,
  });
  await using project = stageProject({ compose: webService(`${aws.repository("web")}:v1`) });
  await project.compose("up", "-d");
  expect(await servedVersion(project)).toBe("v1");
});

test("a token expired before the pull is refused in ECR's words, which reach docker's message", async () => {
  await using aws = await startAws();
  const { digest } = await aws.publish("web", "v1");
  const { password } = aws.ecr.tokens.issue();
  aws.ecr.tokens.expireAll();
  const denied = `pull access denied for ${aws.repository("web")}, repository does not exist or may require 'docker login': ${EXPIRED}`;
  const { docker } = stage();
  expect(await engineLookUp(docker, `${aws.repository("web")}:v1`, password)).toEqual({
    status: 403,
    error: EXPIRED,
  });
  expect(await enginePull(docker, aws.repository("web"), "v1", password)).toEqual({
    status: 404,
    error: denied,
  });
  expect(await enginePull(docker, aws.repository("web"), digest, password)).toEqual({
    status: 404,
    error: denied,
  });
});

test("a token that expires after the manifest ends the stream with ECR's words", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1", { version: crypto.randomUUID() });
  const { password } = aws.ecr.tokens.issue();
  aws.registry.expireAfterManifest();
  const result = await enginePull(stage().docker, aws.repository("web"), "v1", password);
  expect(result.status).toBe(200);
  expect(result.error).toEndWith(EXPIRED);
});

test("no token and a wrong one are refused as ECR does it", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  const bare = await fetch(`http://${aws.registry.address}/v2/`);
  expect(bare.status).toBe(401);
  expect(bare.headers.get("www-authenticate")).toBe(
    `Basic realm="http://${aws.registry.address}/",service="ecr.amazonaws.com"`,
  );
  const { docker } = stage();
  const none = await enginePull(docker, aws.repository("web"), "v1");
  expect(none.status).toBe(500);
  expect(none.error).toEndWith("no basic auth credentials");
  const wrong = await enginePull(docker, aws.repository("web"), "v1", "made-up");
  expect(wrong.status).toBe(404);
  expect(wrong.error).toEndWith("denied: The security token included in the request is invalid.");
});

const WORDS: [FaultStatus, lookUp: number, pull: number, words: string][] = [
  [401, 401, 500, "unauthorized: authentication required"],
  [403, 403, 404, "denied: User is not authorized to perform: ecr:BatchGetImage"],
  [404, 404, 404, "manifest unknown: Requested image not found"],
  [429, 429, 500, "toomanyrequests: Rate exceeded"],
  [500, 500, 500, "received unexpected HTTP status: 500 Internal Server Error"],
  [503, 500, 500, "received unexpected HTTP status: 503 Service Unavailable"],
];

test.each(WORDS)(
  "a registry that answers %i is told by docker with %i (look-up) and %i (pull)",
  async (status, lookUp, pull, words) => {
    await using aws = await startAws();
    await aws.publish("web", "v1");
    const { password } = aws.ecr.tokens.issue();
    aws.registry.faults.add({ kind: "status", status });
    const { docker } = stage();
    const looked = await engineLookUp(docker, `${aws.repository("web")}:v1`, password);
    const pulled = await enginePull(docker, aws.repository("web"), "v1", password);
    expect([looked.status, pulled.status]).toEqual([lookUp, pull]);
    expect(looked.error).toEndWith(words);
    expect(pulled.error).toEndWith(words);
  },
);

test("a connection cut in a layer is resumed by dockerd, and ends the stream when it is cut again and again", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1", { payloadBytes: 1_000_000 });
  await aws.publish("web", "v2", { payloadBytes: 1_000_000 });
  const { password } = aws.ecr.tokens.issue();
  const layers = { on: "blob", minBytes: 500_000 } as const;
  const { docker } = stage();
  aws.registry.faults.add({ kind: "cut", afterBytes: 100_000 }, { ...layers, times: 1 });
  expect(await enginePull(docker, aws.repository("web"), "v1", password)).toEqual({
    status: 200,
    error: undefined,
  });
  expect(aws.registry.requests.map((request) => request.status)).toContain(206);
  aws.registry.faults.add({ kind: "cut", afterBytes: 100_000 }, layers);
  expect(await enginePull(docker, aws.repository("web"), "v2", password)).toEqual({
    status: 200,
    error: "unexpected EOF",
  });
});

test("a registry that is down refuses connections, and is back afterwards", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  const { password } = aws.ecr.tokens.issue();
  const { docker } = stage();
  await aws.registry.down();
  const refused = await enginePull(docker, aws.repository("web"), "v1", password);
  expect(refused.status).toBe(500);
  expect(refused.error).toEndWith("connect: connection refused");
  await aws.registry.up();
  expect((await enginePull(docker, aws.repository("web"), "v1", password)).error).toBeUndefined();
});

test("the AWS SDK gets a token from the stand-in that the registry accepts", async () => {
  await using aws = await startAws({ reportedOffset: -86_400_000 });
  const reply = await ecrClient(aws.ecr.url).send(new GetAuthorizationTokenCommand({}));
  const data = reply.authorizationData?.[0];
  expect(data?.expiresAt?.getTime()).toBeLessThan(Date.now());
  const headers = { Authorization: `Basic ${data?.authorizationToken ?? ""}` };
  expect((await fetch(`http://${aws.registry.address}/v2/`, { headers })).status).toBe(200);
  expect(aws.ecr.calls.map((call) => call.accessKeyId)).toEqual(["AKIAIOSFODNN7EXAMPLE"]);
});

test("the stand-in refuses as AWS does: unsigned, and on demand", async () => {
  await using ecr = startEcr();
  const unsigned = await fetch(ecr.url, { method: "POST", body: "{}" });
  expect(unsigned.status).toBe(400);
  expect(await unsigned.json()).toMatchObject({ __type: "MissingAuthenticationTokenException" });
  ecr.fail("AccessDeniedException", 1);
  const send = () => ecrClient(ecr.url).send(new GetAuthorizationTokenCommand({}));
  await expect(send()).rejects.toMatchObject({ name: "AccessDeniedException" });
  expect((await send()).authorizationData).toHaveLength(1);
});

test("a registry with a login refuses without it", async () => {
  await using registry = await startRegistry({ login: { user: "ci", password: "s3cret" } });
  const { reference } = await publishImage(registry, { repository: "web", tag: "v1", version: "v1" });
  await using project = stageProject({ compose: webService(reference) });
  const refused = await project.tryCompose("pull");
  expect(refused.exitCode).not.toBe(0);
  expect(refused.stderr).toContain("no basic auth credentials");
  await project.login(registry.address, "ci", "s3cret");
  await project.compose("pull");
});

test("a version can exit, crash, ignore SIGTERM, show its environment and be unhealthy", async () => {
  await using aws = await startAws();
  const image = {
    env: { COLOUR: "green" },
    volumes: ["/data"],
    healthcheck: { passes: false, intervalMs: 100 },
  };
  await aws.publish("web", "exits", { exitCode: 3 });
  await aws.publish("web", "crashes", { crashAfter: 1 });
  await aws.publish("web", "stubborn", { ignoresTerm: true, ...image });
  const { password } = aws.ecr.tokens.issue();
  const services = ["exits", "crashes", "stubborn"].map(
    (tag) =>
      `  ${tag}:\n    image: ${aws.repository("web")}:${tag}\n    ports: ["127.0.0.1:${freePort()}:8080"]\n    stop_grace_period: 1s\n`,
  );
  await using project = stageProject({ compose: `services:\n${services.join("")}` });
  await project.login(aws.registry.address, "AWS", password);
  await project.compose("up", "-d");
  const { docker } = stage();
  const exitCode = async (service: string) => {
    const container = (await project.containers()).find(
      (one) => one.service === service && one.state === "exited",
    );
    if (container === undefined) return undefined;
    return (await docker.docker("inspect", "--format", "{{.State.ExitCode}}", container.id)).stdout.trim();
  };
  expect(await waitFor("one to exit", SERVE_DEADLINE, () => exitCode("exits"))).toBe("3");
  expect(await waitFor("one to crash", SERVE_DEADLINE, () => exitCode("crashes"))).toBe("1");
  const stubborn = (await project.containers()).find((container) => container.service === "stubborn");
  const page = await fetch(`http://127.0.0.1:${stubborn?.ports[8080]}/cgi-bin/env`);
  expect(await page.text()).toContain("COLOUR=green");
  const state = (
    await docker.docker("inspect", "--format", "{{.State.Health.Status}} {{len .Mounts}}", stubborn?.id ?? "")
  ).stdout;
  expect(state.trim()).toBe("unhealthy 1");
  await project.compose("stop", "stubborn");
  expect(await exitCode("stubborn")).toBe("137");
});

test("a private docker that is killed leaves its containers, and when it is stopped leaves nothing", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  const docker = await startDocker({ liveRestore: true });
  try {
    const pulled = await enginePull(docker, aws.repository("web"), "v1", aws.ecr.tokens.issue().password);
    expect(pulled.error).toBeUndefined();
    await docker.docker("network", "create", "own");
    await docker.docker(
      "run",
      "--detach",
      "--name",
      "web",
      "--network",
      "own",
      `${aws.repository("web")}:v1`,
    );
    const startedAt = () =>
      docker.docker("inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", "web");
    const before = (await startedAt()).stdout;
    expect(before).toEndWith("true\n");
    await docker.kill();
    expect(await docker.answers()).toBe(false);
    await docker.start();
    expect((await startedAt()).stdout).toBe(before);
    await docker.kill();
  } finally {
    await docker.stop();
  }
  expect(existsSync(docker.dir)).toBe(false);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(docker.dir);
  expect((await run(["busybox", "ps", "-o", "args"])).stdout).not.toContain(docker.dir);
});

test("the built program starts on the stage, answers and stops", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  await using project = stageProject({ compose: webService(`${aws.repository("web")}:v1`) });
  await using daemon = await stageDaemon(project, aws);
  expect((await daemon.request("GET", "/health")).text).toBe("deployer healthy\n");
  expect(daemon.rss()).toBeGreaterThan(1_000_000);
  await daemon.waitForLog((line) => line.level === "info");
  expect(await daemon.stop()).toBe(0);
});

function webService(image: string): string {
  return `services:\n  web:\n    image: ${image}\n    ports: ["127.0.0.1:${freePort()}:8080"]\n`;
}

async function servedVersion(project: ReturnType<typeof stageProject>): Promise<string> {
  const port = (await project.containers())[0]?.ports[8080];
  return waitFor("the version to be served", SERVE_DEADLINE, async () => {
    const reply = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    return reply?.ok === true && reply.text();
  });
}

function ecrClient(endpoint: string): ECRClient {
  const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" };
  return new ECRClient({ endpoint, region: "us-west-2", credentials, maxAttempts: 1 });
}
