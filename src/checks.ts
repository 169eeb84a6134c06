import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

import { accessChecks } from "./access-checks.ts";
import { createAdapters, createEdge } from "./adapters.ts";
import type { Check } from "./check.ts";
import { checkConfig, type Config } from "./config.ts";
import { DeployerError, publicMessage } from "./core/errors.ts";
import { composeFileCheck, edgeCheck } from "./project-checks.ts";
import { systemClock } from "./system/clock.ts";
import { makeStateDir } from "./system/lock.ts";
import { run } from "./system/run.ts";
import { silent } from "./system/silent-log.ts";
import { currentUser } from "./system/user.ts";
import type { Environment } from "./variables.ts";

/** One thing the daemon needs, and whether it is there. */
export type CheckResult = {
  name: string;
  ok: boolean;
  /** What was found; when not ok, what is wrong and what to do. */
  detail: string;
};

const VERSION_DEADLINE_MS = 10_000;
const OLDEST_COMPOSE = [2, 20] as const;
const LOW_DISK_BYTES = 2 * 1024 ** 3;

/** The daemon's own words for the end of its start. */
const AT_START = "; aborting startup";
const ENVIRONMENT_REMEDY =
  'set it in the unit or its settings file ("deployer-service help serve" lists them all), or start the daemon and let it judge its own environment';

/** Where a Compose plugin is found for every user. */
const PLUGIN_FOLDER = "/usr/local/lib/docker/cli-plugins";

/** Everything the daemon needs, one by one; it changes nothing but STATE_DIR, which it makes or closes to others as the daemon would. */
export async function* runChecks(env: Environment): AsyncGenerator<CheckResult> {
  const checked = checkConfig(env, currentUser(env));
  if ("problems" in checked) {
    for (const { variable, line } of checked.problems)
      yield { name: variable, ok: false, detail: `${line.replace(AT_START, "")}\n${ENVIRONMENT_REMEDY}` };
    return;
  }
  yield { name: "environment", ok: true, detail: "complete" };
  for (const { name, look, remedy } of checksOf(checked.config, env)) {
    try {
      yield { name, ok: true, detail: await look() };
    } catch (error) {
      const problem = error instanceof DeployerError ? publicMessage(error) : String(error);
      yield { name, ok: false, detail: `${problem}\n${remedy}` };
    }
  }
}

function checksOf(config: Config, env: Environment): Check[] {
  const adapters = createAdapters(config, env, systemClock, silent);
  const { engine, compose, ecrTokens } = adapters;
  return [
    ...accessChecks(config, compose),
    {
      name: "state",
      look: () => writableFolder(config.stateDir),
      remedy: "name a folder in STATE_DIR that belongs to this user, or that this user may make",
    },
    {
      name: "docker command",
      look: () => version(["docker", "--version"]),
      remedy: "install the docker command where PATH finds it",
    },
    {
      name: "compose plugin",
      look: composeVersion,
      remedy: `install Compose ${OLDEST_COMPOSE.join(".")} or newer where this user's docker finds it (${PLUGIN_FOLDER})`,
    },
    {
      name: "docker",
      look: async () => {
        const { version, apiVersion } = await engine.ping();
        return `engine ${version}, API ${apiVersion}`;
      },
      remedy:
        "start Docker (systemctl start docker), let this user use it (group docker), or name its socket in DOCKER_HOST",
    },
    composeFileCheck(config, compose),
    {
      name: "registry credential",
      look: async () => {
        if (ecrTokens === undefined) return `REGISTRY_AUTH=${config.registryAuth}, nothing to fetch`;
        await ecrTokens.renew();
        return `ECR gave a token for ${config.ecrDomain}`;
      },
      remedy:
        "give this instance a role with aws/iam-policy.json, and a way to ECR in AWS_REGION; without ECR set REGISTRY_AUTH",
    },
    edgeCheck(compose, () => ({
      engine,
      edge: createEdge(config, env, { ...adapters, clock: systemClock, log: silent }),
    })),
    {
      name: "disk",
      look: () => freeDisk(config.stateDir),
      remedy: "free some (docker image prune): an image needs room for its layers twice",
    },
  ];
}

function writableFolder(path: string): string {
  makeStateDir(path);
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  return path;
}

async function version(argv: [string, ...string[]]): Promise<string> {
  const result = await run({ argv, deadlineMs: VERSION_DEADLINE_MS });
  if (result.exitCode === 0) return result.stdout.trim();
  throw new DeployerError("docker", `${argv.join(" ")} failed: ${result.stderr.trim().split("\n")[0] ?? ""}`);
}

async function composeVersion(): Promise<string> {
  const text = await version(["docker", "compose", "version", "--short"]);
  const [major = 0, minor = 0] = text.replace(/^v/, "").split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_COMPOSE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return text;
  throw new DeployerError("docker", `Compose ${text} is too old`);
}

function freeDisk(stateDir: string): string {
  const path = nearestFolder(stateDir);
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${path}`;
  if (free >= LOW_DISK_BYTES) return text;
  throw new DeployerError("config", text);
}

/** `path` itself, or the closest above it that exists. */
function nearestFolder(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : nearestFolder(dirname(path));
}
