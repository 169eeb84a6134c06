import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

import { withDebian13 } from "./debian13.ts";
import { attempt, BASE_ENV, hasCommand } from "./run.ts";

/**
 * Where the docker CLI looks for every user, whatever HOME or DOCKER_CONFIG say (a daemon under test has neither), and
 * where no package writes: /usr/local is the administrator's.
 */
const PLUGIN_FOLDER = "/usr/local/lib/docker/cli-plugins";
const PLUGIN_PATHS = ["usr/libexec/docker/cli-plugins/docker-compose", "usr/bin/docker-compose"];

/** The version of the compose plugin that any user of this machine gets, or undefined. */
export async function composeVersion(): Promise<string | undefined> {
  if (!hasCommand("docker")) return undefined;
  const result = await attempt(["docker", "compose", "version", "--short"], {
    env: { ...BASE_ENV, HOME: "/nonexistent" },
  });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}

/** Takes the plugin out of Debian 13's package, which runs on Debian 12. */
export async function installComposePlugin(): Promise<void> {
  await withDebian13(["docker-compose"], async (unpacked) => {
    const plugin = PLUGIN_PATHS.map((path) => join(unpacked, path)).find(existsSync);
    if (plugin === undefined) throw new Error("the package docker-compose holds no compose plugin");
    mkdirSync(PLUGIN_FOLDER, { recursive: true });
    const target = join(PLUGIN_FOLDER, "docker-compose");
    copyFileSync(plugin, `${target}.new`);
    chmodSync(`${target}.new`, 0o755);
    renameSync(`${target}.new`, target);
  });
  if ((await composeVersion()) === undefined) {
    throw new Error(`the compose plugin in ${PLUGIN_FOLDER} does not run on this machine`);
  }
}
