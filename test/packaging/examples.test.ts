import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { checkConfig } from "../../src/config.ts";
import type { Log } from "../../src/core/ports.ts";
import { createCompose } from "../../src/docker/compose.ts";
import { run } from "../../src/system/run.ts";
import { BASE_ENV } from "../support/run.ts";
import { parseEnvironment } from "./environment-file.ts";
import { readText } from "./workflow.ts";

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const REGISTRY = "123456789012.dkr.ecr.us-west-2.amazonaws.com";
const DAEMON = { uid: 999, home: "/var/lib/deployer-service" };

test("the environment example is a complete configuration as it stands", async () => {
  const env = parseEnvironment(await readText("examples/deployer.env"));
  const units = { STATE_DIR: "/var/lib/deployer-service", RUN_DIR: "/run/deployer-service" };
  expect(checkConfig({ ...units, ...env }, DAEMON)).toHaveProperty("config");
});

test("the environment example is valid with every commented setting switched on", async () => {
  const everything = (await readText("examples/deployer.env")).replaceAll(/^# ?(?=[A-Z_]+=)/gm, "");
  const env = parseEnvironment(everything);
  expect(Object.keys(env).toSorted()).toEqual([
    "AWS_REGION",
    "BIND_ADDRESS",
    "DEBUG_MODE",
    "DOCKER_COMPOSE_FILE",
    "ECR_ACCOUNT_ID",
    "ECR_DOMAIN",
    "JWT_ISSUERS",
    "JWT_MAX_LIFETIME",
    "JWT_PUBLIC_KEY_PATH",
    "JWT_STRICT",
    "LOG_TIMEZONE",
    "PORT",
    "REGISTRY_AUTH",
    "RULES_FILE",
    "RUN_DIR",
    "STATE_DIR",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TRUSTED_PROXIES",
  ]);
  expect(checkConfig(env, DAEMON)).toHaveProperty("config");
});

test.each([
  ["as it stands", (text: string) => text, []],
  [
    "with its commented setting switched on",
    (text: string) => text.replaceAll(/^( +)# (?= *(?:x-deployer:|images:|- ))/gm, "$1"),
    [`${REGISTRY}/backend-preview`],
  ],
])("the compose file example is one that services can be deployed from, %s", async (_, edit, images) => {
  const folder = mkdtempSync(join(tmpdir(), "example-"));
  try {
    const composeFile = join(folder, "docker-compose.yml");
    await Bun.write(composeFile, edit(await readText("examples/docker-compose.yml")));
    const compose = createCompose({ composeFile, stateDir: folder, env: BASE_ENV, run, log: SILENT });
    const { services } = await compose.project();
    expect([...services.keys()].toSorted()).toEqual(["backend", "frontend"]);
    expect(services.get("frontend")).toMatchObject({ image: `${REGISTRY}/frontend:latest` });
    expect(services.get("backend")?.settings).toMatchObject({ images });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the instance's policy allows pulling and nothing else", async () => {
  const policy = JSON.parse(await readText("aws/iam-policy.json"));
  const allowed = policy.Statement.map((statement: { Action: unknown; Resource: unknown }) => [
    statement.Action,
    statement.Resource,
  ]);
  expect(allowed).toEqual([
    ["ecr:GetAuthorizationToken", "*"],
    [
      ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      "arn:aws:ecr:<aws-region>:<account-id>:repository/*",
    ],
  ]);
});
