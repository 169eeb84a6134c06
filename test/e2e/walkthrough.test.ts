import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { bash, codeBlocks } from "../contract/shell.ts";
import type { Daemon } from "../support/daemon.ts";
import type { Published } from "../support/push-image.ts";
import type { Project } from "../support/project.ts";
import type { Result } from "../support/run.ts";
import { type Aws, stage, stageDaemon, stageProject, startAws } from "../support/stage.ts";

/** The walk-through of the original's README, with its commands, on the machine of someone who follows it. */
const SETUP_DEADLINE = 60_000;
const SUCCESS = "deploy request successful for service frontend\n";
const HINT = 'image "$IMAGE" is not an image reference (single quotes in your shell?)\n';
const LOGIN_STEPS = [
  "pull refused by the registry; logging in again",
  "registry login successful",
  "pull accepted after a new registry login",
];

let home: string;
let aws: Aws;
let project: Project;
let daemon: Daemon;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "dstest-walk-"));
  stack.defer(() => rmSync(home, { recursive: true, force: true }));
  for (const folder of ["bin", "test-keys"]) mkdirSync(join(home, folder));
  symlinkSync(stage().binary, join(home, "bin/jwt"));
  aws = stack.use(await startAws());
  await aws.publish("frontend", "v1");
  const image = `${aws.repository("frontend")}:v1`;
  project = stack.use(
    stageProject({
      compose: `services:\n  frontend:\n    image: ${image}\n    stop_grace_period: 1s\n  web:\n    image: ${image}\n`,
    }),
  );
  const keys = await opensslKeys();
  daemon = stack.use(await stageDaemon(project, aws, { keys, env: { DEBUG_MODE: "true" } }));
  await daemon.waitForLog(({ message }) => message === "services are up");
}, SETUP_DEADLINE);

afterAll(() => stack.disposeAsync(), SETUP_DEADLINE);

test("health, version and config are there for curl", async () => {
  expect((await shell("curl -s http://$IP/health")).stdout).toBe("deployer healthy\n");
  expect((await shell("curl -s http://$IP/version")).stdout).toBe("v1.2.3\n");
  const config = JSON.parse((await shell("curl -s http://$IP/config")).stdout) as unknown;
  expect(config).toMatchObject({ debug_mode: true, ecr_domain: aws.registry.address });
});

test("the daemon starts in debug mode and says so", () => {
  expect(daemon.log().map(({ message }) => message)).toContain("Running in DEBUG mode");
});

test("the first curl, without a token, is refused", async () => {
  const result = await shell(
    `curl -s -w '%{http_code}' -X POST http://$IP/deploy -d "$(echo -n '{"service":"frontend","image":"123456789.dkr.ecr.us-west-2.amazonaws.com/frontend:latest"}' | base64)"`,
  );
  expect(result.stdout).toBe("unauthorized\n401");
});

/** As printed, and with the shell's help. `<ec2-ip>:8686` and `<good|bad>` are to be filled in. */
function deployCurl(token: "good" | "bad", body: string): string {
  return `
    jwt sign --key ./test-keys/private.pem > good-token.jwt
    jwt sign --key ./test-keys/wrong-private.pem > bad-token.jwt

    curl -s -w '%{http_code}' -X POST http://$IP/deploy \\
      -H "Authorization: Bearer $(cat ${token}-token.jwt)" \\
      -H "Content-Type: text/plain" \\
      --data "$(echo -n ${body} | base64)"`;
}

const AS_PRINTED = `'{"service":"frontend","image":"$IMAGE"}'`;
const EXPANDED = `"{\\"service\\":\\"frontend\\",\\"image\\":\\"$IMAGE\\"}"`;

test("a token of the wrong key is refused, whatever it asks for", async () => {
  for (const body of [AS_PRINTED, EXPANDED]) {
    expect((await shell(deployCurl("bad", body))).stdout).toBe("unauthorized\n401");
  }
});

test("the curl as printed sends the literal $IMAGE, and is told so", async () => {
  expect((await shell(deployCurl("good", AS_PRINTED))).stdout).toBe(`${HINT}422`);
});

test("the curl with the image filled in rolls out that image", async () => {
  const v2 = await aws.publish("frontend", "v2");
  const result = await shell(deployCurl("good", EXPANDED), { IMAGE: v2.reference });
  expect(result.stdout).toBe(`${SUCCESS}200`);
  await runs("frontend", v2);
});

test("the current README's request, without an image, deploys what the compose file names", async () => {
  const result = await shell(`
    JWT=$(jwt sign --key ./test-keys/private.pem)
    payload=$(echo -n '{"service":"frontend"}' | base64)

    curl -s -w '%{http_code}' -X POST http://$IP/deploy \\
      -H "Authorization: Bearer $JWT" \\
      -H "Content-Type: text/plain" \\
      --data "$payload"`);
  expect(result.stdout).toBe(`${SUCCESS}200`);
});

test("after /logout and a small change the log shows pull refused, login, pull", async () => {
  const v3 = await aws.publish("frontend", "v3");
  const before = daemon.log().length;
  expect((await shell("curl -s -X POST http://localhost:$PORT/logout")).stdout).toBe(
    "docker logout successful\n",
  );
  const result = await shell(deployCurl("good", EXPANDED), { IMAGE: v3.reference });
  expect(result.stdout).toBe(`${SUCCESS}200`);
  const steps = daemon
    .log()
    .slice(before)
    .map(({ message }) => message)
    .filter((message) => LOGIN_STEPS.includes(message));
  expect(steps).toEqual(LOGIN_STEPS);
  await runs("frontend", v3);
});

test("no key, token or password of the walk-through is in the log", () => {
  const secrets = [
    readFileSync(join(home, "good-token.jwt"), "utf8").trim(),
    readFileSync(join(home, "bad-token.jwt"), "utf8").trim(),
    ...aws.ecr.tokens.issued.map(({ password }) => password),
  ];
  expect(secrets.length).toBeGreaterThan(3);
  const log =
    daemon
      .log()
      .map((line) => JSON.stringify(line))
      .join("\n") + daemon.noise();
  for (const secret of secrets) {
    expect(log.includes(secret)).toBe(false);
    expect(log.includes(secret.split(".")[2] ?? secret)).toBe(false);
  }
});

test("the commands of the README and of the page of the HTTP interface do what they say", async () => {
  const v4 = await aws.publish("frontend", "v4");
  const blocks = [
    ...(await codeBlocks("docs/http.md", "Deploy by hand", "sh")),
    ...(await codeBlocks("docs/http.md", "Follow it", "sh")),
  ];
  expect(await codeBlocks("README.md", "Use it", "sh")).toEqual(blocks.slice(0, 1));
  const [deploy = "", follow = "", ...more] = blocks.map((block) =>
    block.replaceAll("localhost:8686", "localhost:$PORT").replaceAll("curl ", "curl -s "),
  );
  expect(more).toEqual([]);
  expect(await shell(deploy, { IMAGE: v4.reference }, join(home, "test-keys"))).toEqual({
    exitCode: 0,
    stdout: SUCCESS.replace("frontend", "web"),
    stderr: "",
  });
  const { headers } = await daemon.deploy({ service: "web", image: v4.reference, force: true });
  const [READ = "", ID = ""] = ["Deployer-Read", "Deployer-Deployment"].map(
    (name) => headers.get(name) ?? "",
  );
  const followed = await shell(follow, { READ, ID });
  expect(followed.exitCode).toBe(0);
  expect(followed.stdout).toMatch(/^id: 5$/m);
  expect(followed.stdout).toMatch(/^event: done$/m);
  await runs("web", v4);
});

function shell(script: string, env: Record<string, string> = {}, dir = home): Promise<Result> {
  const port = String(daemon.port);
  return bash(script, {
    dir,
    bin: join(home, "bin"),
    env: { IP: `127.0.0.1:${port}`, PORT: port, IMAGE: "", ...env },
  });
}

async function opensslKeys(): Promise<{ privatePem: string; publicPem: string }> {
  const made = await bash(
    `openssl genrsa -out test-keys/private.pem 2048
     openssl rsa -in test-keys/private.pem -pubout -out test-keys/public.pem
     openssl genrsa -out test-keys/wrong-private.pem 2048`,
    { dir: home, bin: join(home, "bin") },
  );
  expect(made.exitCode).toBe(0);
  const read = (name: string) => readFileSync(join(home, "test-keys", name), "utf8");
  return { privatePem: read("private.pem"), publicPem: read("public.pem") };
}

async function runs(service: string, image: Published): Promise<void> {
  const running = (await project.containers()).filter(
    (container) => container.service === service && container.state === "running",
  );
  expect(running.map(({ imageId }) => imageId)).toEqual([image.imageId]);
}
