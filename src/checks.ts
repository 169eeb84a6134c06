import { accessSync, constants, existsSync, mkdirSync, statfsSync } from "node:fs";
import { dirname } from "node:path";

import { createAdapters } from "./adapters.ts";
import { checkConfig, type Config, type Environment } from "./config.ts";
import { DeployerError, publicMessage } from "./core/errors.ts";
import { parseImage } from "./core/image.ts";
import type { Log } from "./core/ports.ts";
import { systemClock } from "./system/clock.ts";
import { run } from "./system/run.ts";
import { currentUser } from "./system/user.ts";
import { openKeyStore } from "./tokens/key-store.ts";

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

const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

/** Everything the daemon needs, one by one; it changes nothing but an absent STATE_DIR, which it makes. */
export async function* runChecks(env: Environment): AsyncGenerator<CheckResult> {
  const checked = checkConfig(env, currentUser(env));
  if ("problems" in checked) {
    for (const { variable, line } of checked.problems) yield { name: variable, ok: false, detail: line };
    return;
  }
  const { config } = checked;
  yield { name: "environment", ok: true, detail: "complete" };
  for (const [name, look] of checksOf(config, env)) {
    try {
      yield { name, ok: true, detail: await look() };
    } catch (error) {
      const detail = error instanceof DeployerError ? publicMessage(error) : String(error);
      yield { name, ok: false, detail };
    }
  }
}

function checksOf(config: Config, env: Environment): [string, () => Promise<string> | string][] {
  const { engine, compose, ecrTokens } = createAdapters(config, env, systemClock, silent);
  return [
    ["keys", () => `${openKeyStore({ path: config.jwtPublicKeyPath, log: silent }).keys().length} usable`],
    ["state", () => writableFolder(config.stateDir)],
    ["docker command", () => version(["docker", "--version"])],
    ["compose plugin", composeVersion],
    [
      "docker",
      async () => {
        const { version, apiVersion } = await engine.ping();
        return `engine ${version}, API ${apiVersion}`;
      },
    ],
    [
      "compose file",
      async () => {
        const project = await compose.project();
        const unreadable = [...project.services.values()].flatMap(({ name, image }) =>
          image !== undefined && parseImage(image) === undefined
            ? [`service "${name}": "${image}" is not an image`]
            : [],
        );
        if (unreadable.length > 0) throw new DeployerError("compose_file", unreadable.join("; "));
        return `project ${project.name}: ${[...project.services.keys()].join(", ")}`;
      },
    ],
    ["files it names", async () => readableFiles(await compose.files())],
    [
      "registry credential",
      async () => {
        if (ecrTokens === undefined) return `REGISTRY_AUTH=${config.registryAuth}, nothing to fetch`;
        await ecrTokens.renew();
        return `ECR gave a token for ${config.ecrDomain}`;
      },
    ],
    ["disk", () => freeDisk(config.stateDir)],
  ];
}

function writableFolder(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  return path;
}

async function version(argv: [string, ...string[]]): Promise<string> {
  const result = await run({ argv, deadlineMs: VERSION_DEADLINE_MS });
  if (result.exitCode === 0) return result.stdout.trim();
  throw new DeployerError("docker", `${argv.join(" ")} failed: ${result.stderr.trim().split("\n")[0] ?? ""}`);
}

async function composeVersion(): Promise<string> {
  const text = await version(["docker", "compose", "version", "--short"]).catch((cause: unknown) => {
    throw new DeployerError(
      "docker",
      `${publicMessage(cause)}; install the Compose plugin where this user's docker finds it (/usr/local/lib/docker/cli-plugins)`,
    );
  });
  const [major = 0, minor = 0] = text.replace(/^v/, "").split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_COMPOSE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return text;
  throw new DeployerError(
    "docker",
    `Compose ${text} is too old: ${OLDEST_COMPOSE.join(".")} or newer is needed`,
  );
}

function readableFiles(paths: readonly string[]): string {
  const unreadable = paths.filter((path) => {
    try {
      accessSync(path, constants.R_OK);
      return false;
    } catch {
      return true;
    }
  });
  if (unreadable.length === 0) return `${paths.length} readable`;
  throw new DeployerError("compose_file", `not there or not readable by this user: ${unreadable.join(", ")}`);
}

function freeDisk(stateDir: string): string {
  const path = existsSync(stateDir) ? stateDir : dirname(stateDir);
  const { bavail, bsize } = statfsSync(path);
  const free = bavail * bsize;
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free at ${path}`;
  if (free >= LOW_DISK_BYTES) return text;
  throw new DeployerError("config", `${text}: free some, an image needs room for its layers twice`);
}
