import { expect, test } from "bun:test";

import { checkConfig } from "../../src/config.ts";
import { parseEnvironment } from "./environment-file.ts";
import { readText } from "./workflow.ts";

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
    "LOG_TIMEZONE",
    "PORT",
    "REGISTRY_AUTH",
    "RUN_DIR",
    "STATE_DIR",
  ]);
  expect(checkConfig(env, DAEMON)).toHaveProperty("config");
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
