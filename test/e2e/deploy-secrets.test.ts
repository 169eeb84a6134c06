import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { expectVersion, lifeOf } from "../support/observe.ts";
import { processes } from "../support/process-tree.ts";
import { startScene } from "../support/scene.ts";

const PAYLOAD_BYTES = 400_000;
const SLOW_BYTES_PER_SECOND = 200_000;
/** Long enough to be no accident, short enough for a value cut by a log. */
const PART = 60;

test("no password or token is left on disk, in the log, or in the arguments of a process", async () => {
  const envSecret = `env-${crypto.randomUUID()}`;
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2", { payloadBytes: PAYLOAD_BYTES });
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    env_file: web.env\n    volumes: [/data]\n    ports: ["127.0.0.1::8080"]\n`;
    },
    files: { "web.env": `API_KEY=${envSecret}\n` },
    daemon: { env: { DEBUG_MODE: "true" } },
  });
  const { project, daemon, aws } = scene;
  aws.registry.faults.add(
    { kind: "slow", bytesPerSecond: SLOW_BYTES_PER_SECOND },
    { on: "blob", minBytes: PAYLOAD_BYTES / 2 },
  );
  const token = await daemon.token();
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
    body: JSON.stringify({ service: "web", image: `${aws.repository("web")}:v2` }),
  });
  deployed.abort();
  await watching;
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
  await expectVersion(project, "web", "v2");
  await daemon.request("GET", "/config", { headers: { Authorization: "Bearer wrong" } });

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
    ...files(daemon.stateDir),
    ...files(daemon.env["HOME"] ?? ""),
    ...files(daemon.env["RUN_DIR"] ?? ""),
  ];
  expect(everything.map(({ path }) => path)).toContain(join(daemon.stateDir, "deployer.db"));
  for (const secret of secrets) {
    expect(everything.filter(({ content }) => content.includes(secret)).map(({ path }) => path)).toEqual([]);
    expect(daemon.log().filter((line) => JSON.stringify(line).includes(secret))).toEqual([]);
    expect(daemon.noise()).not.toContain(secret);
    expect([...arguments_].filter((line) => line.includes(secret))).toEqual([]);
  }
  expect([...arguments_].filter((line) => line.includes(envSecret))).toEqual([]);
  expect(daemon.log().filter((line) => JSON.stringify(line).includes(envSecret))).toEqual([]);

  expect(mode(daemon.stateDir)).toBe(0o700);
  const configs = files(join(daemon.stateDir, "configs"));
  expect(configs.some(({ content }) => content.includes(envSecret))).toBe(true);
  const holdsEnv = everything.filter(({ content }) => content.includes(envSecret));
  for (const { path } of holdsEnv) expect([path, mode(path)]).toEqual([path, 0o600]);
  expect(holdsEnv.map(({ path }) => path).filter((path) => !path.includes("/configs/"))).toEqual([]);
  expect(mode(join(daemon.stateDir, "configs"))).toBe(0o700);
  expect(existsSync(join(daemon.env["HOME"] ?? "", ".docker", "config.json"))).toBe(false);
  await lifeOf(project, "web");
});

function files(folder: string): { path: string; content: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, content: readFileSync(path, "latin1") }));
}

function mode(path: string): number {
  return statSync(path).mode & 0o777;
}
