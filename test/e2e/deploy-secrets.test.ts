import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { requestHash } from "../../src/tokens/request-hash.ts";
import { command } from "../support/command-line.ts";
import { idOf } from "../support/deployment-record.ts";
import { filesIn, modeOf } from "../support/files.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import { processes } from "../support/process-tree.ts";
import { startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

const PAYLOAD_BYTES = 400_000;
const SLOW_BYTES_PER_SECOND = 200_000;
/** Long enough to be no accident, short enough for a value cut by a log. */
const PART = 60;
/** A snapshot of /ready is at most 5 s old. */
const READY_DEADLINE = 30_000;

test("no password or token is left on disk, in the log, or in the arguments of a process", async () => {
  const envSecret = `env-${crypto.randomUUID()}`;
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2", { payloadBytes: PAYLOAD_BYTES });
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    env_file: web.env\n    volumes: [/data]\n    ports: ["127.0.0.1::8080"]\n`;
    },
    files: { "web.env": `API_KEY=${envSecret}\nGIT_SHA=12e4567\nNOTE="\\n\\nlead"\n` },
    daemon: { env: { DEBUG_MODE: "true" } },
  });
  const { project, daemon, aws } = scene;
  aws.registry.faults.add(
    { kind: "slow", bytesPerSecond: SLOW_BYTES_PER_SECOND },
    { on: "blob", minBytes: PAYLOAD_BYTES / 2 },
  );
  const body = JSON.stringify({ service: "web", image: `${aws.repository("web")}:v2` });
  const req = requestHash("POST", "/deploy", body);
  const token = await daemon.token({ jti: crypto.randomUUID(), req });
  const arguments_ = new Set<string>();
  const deployed = new AbortController();
  const watching = (async () => {
    while (!deployed.signal.aborted) {
      for (const { args } of processes()) arguments_.add(args.join(" "));
      await Bun.sleep(25);
    }
  })();
  await daemon.request("POST", "/logout");
  const reply = await daemon.request("POST", "/deploy", {
    headers: { Authorization: `Bearer ${token}` },
    body,
  });
  deployed.abort();
  await watching;
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
  await expectVersion(project, "web", "v2");
  // Refused, and so among the rejected: it is good for something else.
  const captured = await daemon.request("POST", "/rollback", {
    headers: { Authorization: `Bearer ${token}` },
    body,
  });
  expect(captured.status).toBe(401);
  const rejected = await command(scene, "rejected", "--json");
  expect(rejected.stdout).toContain(req);

  const secrets = [
    token,
    daemon.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    ...aws.ecr.tokens.issued.flatMap(({ password }) => [
      password,
      Buffer.from(`AWS:${password}`).toString("base64"),
    ]),
  ].map((secret) => secret.slice(-PART));
  expect(aws.ecr.tokens.issued.length).toBeGreaterThan(1);

  const everything = [
    ...filesIn(daemon.stateDir),
    ...filesIn(daemon.env["HOME"] ?? ""),
    ...filesIn(daemon.env["RUN_DIR"] ?? ""),
  ];
  expect(everything.map(({ path }) => path)).toContain(join(daemon.stateDir, "deployer.db"));
  for (const secret of secrets) {
    expect(everything.filter(({ content }) => content.includes(secret)).map(({ path }) => path)).toEqual([]);
    expect(daemon.log().filter((line) => JSON.stringify(line).includes(secret))).toEqual([]);
    expect(daemon.noise() + rejected.stdout).not.toContain(secret);
    expect([...arguments_].filter((line) => line.includes(secret))).toEqual([]);
  }
  expect([...arguments_].filter((line) => line.includes(envSecret))).toEqual([]);
  expect(daemon.log().filter((line) => JSON.stringify(line).includes(envSecret))).toEqual([]);

  expect(modeOf(daemon.stateDir)).toBe(0o700);
  const configs = filesIn(join(daemon.stateDir, "configs"));
  expect(configs.some(({ content }) => content.includes(envSecret))).toBe(true);
  for (const { content } of configs)
    expect(JSON.parse(content)).toMatchObject({
      services: { web: { environment: { GIT_SHA: "12e4567", NOTE: "\n\nlead" } } },
    });
  const holdsEnv = everything.filter(({ content }) => content.includes(envSecret));
  for (const { path } of holdsEnv) expect([path, modeOf(path)]).toEqual([path, 0o600]);
  expect(holdsEnv.map(({ path }) => path).filter((path) => !path.includes("/configs/"))).toEqual([]);
  expect(modeOf(join(daemon.stateDir, "configs"))).toBe(0o700);
  expect(existsSync(join(daemon.env["HOME"] ?? "", ".docker", "config.json"))).toBe(false);
  await lifeOf(project, "web");
});

test("what is told of a candidate that fails holds nothing of its env file, nor of the headers it was asked with", async () => {
  const secrets = [`env-${crypto.randomUUID()}`, `header-${crypto.randomUUID()}`] as const;
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2", { healthyAfter: "never" });
      const health = `{ path: /cgi-bin/health, headers: { Authorization: "Bearer ${secrets[1]}" } }`;
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    env_file: web.env\n    ports: ["127.0.0.1::8080"]\n    x-deployer:\n      health: ${health}\n      timeout: 3s\n`;
    },
    files: { "web.env": `API_KEY=${secrets[0]}\n` },
    daemon: { env: { DEBUG_MODE: "true" } },
  });
  const { project, daemon, aws } = scene;
  const reply = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
  expect([reply.status, reply.text]).toEqual([
    500,
    expect.stringContaining("still running, health: HTTP 503"),
  ]);
  await expectVersion(project, "web", "v1");

  const told = [reply.text, daemon.noise(), ...daemon.log().map((line) => JSON.stringify(line))];
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  const deployment = `/deployments/${idOf(reply)}`;
  for (const path of [deployment, `${deployment}/events`, "/deployments", "/services", "/ready"])
    told.push((await daemon.request("GET", path, { headers })).text);
  for (const { path, content } of filesIn(daemon.stateDir))
    if (!path.includes("/configs/")) told.push(content);
  for (const secret of secrets) expect(told.filter((text) => text.includes(secret))).toEqual([]);
});

const BROKEN: [what: string, line: (secret: string) => string, says: string][] = [
  ["without a closing quote", (secret) => `PW="${secret}`, "line 3: unterminated quoted value"],
  [
    "with a character that no name has",
    (secret) => `${secret}!=1`,
    'line 2: unexpected character "!" in variable name',
  ],
  ["with a broken substitution", (secret) => `PW=${secret}\${2x`, "Invalid template"],
];

test("a line of an env file that Compose cannot read is in no reply and in no log line", async () => {
  const secret = `hunter${crypto.randomUUID()}`;
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    env_file: web.env\n`;
    },
    files: { "web.env": "A=1\n" },
    daemon: { env: { DEBUG_MODE: "true" } },
  });
  const { project, daemon } = scene;
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  for (const [what, line, says] of BROKEN) {
    project.writeFile("web.env", `A=1\n${line(secret)}\n`);
    const reply = await daemon.deploy({ service: "web" });
    expect([what, reply.status, reply.text]).toEqual([
      what,
      500,
      `unable to update service\ncompose file ${project.file}: ${says}\n`,
    ]);
    await waitFor("/ready to say so", READY_DEADLINE, async () => {
      const { text } = await daemon.request("GET", "/ready", { headers });
      expect(text).not.toContain(secret);
      return text.includes(JSON.stringify(says).slice(1, -1));
    });
  }
  expect(daemon.log().some((line) => JSON.stringify(line).includes("unterminated quoted value"))).toBe(true);
  expect(daemon.log().filter((line) => JSON.stringify(line).includes(secret))).toEqual([]);
  expect(daemon.noise()).not.toContain(secret);
});
