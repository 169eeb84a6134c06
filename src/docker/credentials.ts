import { z } from "zod";
import { DEFAULT_REGISTRY, parseImage } from "../core/image.ts";
import type { Credential } from "../core/engine.ts";
import type { Log } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { run as systemRun, type Run } from "../system/run.ts";
import { parseJson } from "./answer.ts";
import {
  dockerConfigPath,
  readDockerConfig,
  type DockerConfig,
  type DockerConfigEntry,
} from "./docker-config.ts";
import { IDENTITY_TOKEN_USER } from "./registry-auth.ts";

const HELPER_DEADLINE_MS = 10_000;
/** Under this name the docker CLI keeps Docker Hub's credential. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";
const HELPER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const NOT_FOUND = "credentials not found";

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });

/**
 * The operator's own docker CLI credential for a registry, undefined when there is none; read anew each time, never written.
 * What is broken is a warning and no credential: the registry may be public.
 */
export function createDockerCredentials(options: {
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  run?: Run;
}): (registry: string) => Promise<Credential | undefined> {
  const { log, run = systemRun } = options;
  const path = dockerConfigPath(options.env);

  async function fromHelper(helper: string, server: string): Promise<Credential | undefined> {
    if (!HELPER_NAME.test(helper)) {
      log.warn("docker credential helper ignored: not a plain name", { file: path, helper });
      return undefined;
    }
    const program = `docker-credential-${helper}`;
    const result = await run({ argv: [program, "get"], input: server, deadlineMs: HELPER_DEADLINE_MS });
    if (result.exitCode !== 0 && result.stdout.includes(NOT_FOUND)) return undefined;
    const answer = helperAnswer.safeParse(parseJson(result.stdout));
    if (result.exitCode === 0 && answer.success) {
      return { username: answer.data.Username, password: new Secret(answer.data.Secret), server };
    }
    // Its output is not quoted: on stdout it may be the secret.
    const reason = result.timedOut
      ? "no answer in time"
      : `exit code ${result.exitCode ?? result.signal ?? "unknown"}`;
    log.warn("docker credential helper gave no credential", { helper: program, registry: server, reason });
    return undefined;
  }

  return async (registry) => {
    const server = registry === DEFAULT_REGISTRY ? DOCKER_HUB_KEY : registry;
    try {
      const config = await readDockerConfig(path);
      if (config === undefined) return undefined;
      const helper = findKey(config.credHelpers, server, registry) ?? config.credsStore;
      const stored = helper ? await fromHelper(helper, server) : undefined;
      return stored ?? fromAuths(config, server, registry);
    } catch (error) {
      const reason = error instanceof Error ? error.message : "unknown error";
      log.warn("docker credentials cannot be used", { file: path, registry, reason });
      return undefined;
    }
  };
}

function fromAuths(config: DockerConfig, server: string, registry: string): Credential | undefined {
  const entry = findKey(config.auths, server, registry);
  const [username, password] = loginOf(entry ?? undefined);
  return password === "" ? undefined : { username, password: new Secret(password), server };
}

function loginOf(entry: DockerConfigEntry | undefined): [username: string, password: string] {
  if (entry === undefined) return ["", ""];
  if (entry.identitytoken !== "") return [IDENTITY_TOKEN_USER, entry.identitytoken];
  if (entry.auth === "") return [entry.username, entry.password];
  const decoded = Buffer.from(entry.auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  // The docker CLI trims the zero bytes that old versions wrote.
  return colon === -1 ? ["", ""] : [decoded.slice(0, colon), decoded.slice(colon + 1).replace(/\0+$/, "")];
}

/** The exact key, else one that names the same host in another spelling (`https://ghcr.io/v2/`), as the docker CLI looks it up. */
function findKey<T>(
  entries: Record<string, T> | null | undefined,
  server: string,
  registry: string,
): T | undefined {
  if (entries === null || entries === undefined) return undefined;
  if (Object.hasOwn(entries, server)) return entries[server];
  const key = Object.keys(entries).find((each) => registryOf(each) === registry);
  return key === undefined ? undefined : entries[key];
}

function registryOf(key: string): string | undefined {
  const host = key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return parseImage(`${host}/any`)?.registry;
}
