import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import { z } from "zod";
import { DeployerError } from "../core/errors.ts";

const entry = z.object({
  /** Base64 of `user:password`. */
  auth: z.string().default(""),
  username: z.string().default(""),
  password: z.string().default(""),
  identitytoken: z.string().default(""),
});
const dockerConfig = z.object({
  auths: z.record(z.string(), entry.nullable()).nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});

/** The parts of the docker CLI's `config.json` that are about registries. */
export type DockerConfig = z.infer<typeof dockerConfig>;
export type DockerConfigEntry = z.infer<typeof entry>;

/** `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker"), "config.json");
}

/** Undefined when there is no such file. A file that cannot be read is a `config` error that quotes nothing of it. */
export async function readDockerConfig(path: string): Promise<DockerConfig | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new DeployerError("config", `${path} cannot be read (${code})`, { cause: error });
  }
  const parsed = dockerConfig.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues[0]?.path.join(".") || "its top level";
  throw new DeployerError("config", `${path} is not a docker configuration: ${where} has the wrong shape`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text holds passwords.
    throw new DeployerError("config", `${path} is not JSON`);
  }
}
