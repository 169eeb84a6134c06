import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { attempt, BASE_ENV, hasCommand, run } from "./run.ts";

/**
 * Where the docker CLI looks for every user, whatever HOME or DOCKER_CONFIG say (a daemon under test has neither), and
 * where no package writes: /usr/local is the administrator's.
 */
const PLUGIN_FOLDER = "/usr/local/lib/docker/cli-plugins";
const PLUGIN_PATHS = ["usr/libexec/docker/cli-plugins/docker-compose", "usr/bin/docker-compose"];

const DEBIAN = "http://deb.debian.org/debian";
const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const DOWNLOAD_DEADLINE = 300_000;

/** The version of the compose plugin that any user of this machine gets, or undefined. */
export async function composeVersion(): Promise<string | undefined> {
  if (!hasCommand("docker")) return undefined;
  const result = await attempt(["docker", "compose", "version", "--short"], {
    env: { ...BASE_ENV, HOME: "/nonexistent" },
  });
  return result.exitCode === 0 ? result.stdout.trim() : undefined;
}

/**
 * Takes the plugin out of Debian 13's package, which runs on Debian 12. apt gets lists, cache and source of its own in a
 * temporary folder, so the machine's own sources and package lists never hear of Debian 13.
 */
export async function installComposePlugin(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "compose-plugin-"));
  try {
    const plugin = await downloadPlugin(folder);
    mkdirSync(PLUGIN_FOLDER, { recursive: true });
    const target = join(PLUGIN_FOLDER, "docker-compose");
    copyFileSync(plugin, `${target}.new`);
    chmodSync(`${target}.new`, 0o755);
    renameSync(`${target}.new`, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if ((await composeVersion()) === undefined) {
    throw new Error(`the compose plugin in ${PLUGIN_FOLDER} does not run on this machine`);
  }
}

async function downloadPlugin(folder: string): Promise<string> {
  const apt = await privateApt(folder);
  const options = {
    cwd: folder,
    deadline: DOWNLOAD_DEADLINE,
    env: { ...BASE_ENV, DEBIAN_FRONTEND: "noninteractive" },
  };
  await run([...apt, "update"], options);
  await run([...apt, "download", "docker-compose"], options);
  const archive = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error("apt-get download docker-compose left no file");
  await run(["dpkg", "-x", archive, "unpacked"], options);
  const plugin = PLUGIN_PATHS.map((path) => join(folder, "unpacked", path)).find(existsSync);
  if (plugin === undefined) throw new Error(`${archive} holds no compose plugin`);
  return plugin;
}

async function privateApt(folder: string): Promise<string[]> {
  for (const name of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(folder, name), { recursive: true });
  const source = join(folder, "sources.list");
  writeFileSync(source, `deb [signed-by=${KEYRING}] ${await debianMirror()} ${SUITE} main\n`);
  const settings = {
    "Dir::Etc::sourcelist": source,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
    "APT::Sandbox::User": "root",
  };
  return ["apt-get", "-q", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
}

/** The mirror this machine already uses for Debian itself. */
async function debianMirror(): Promise<string> {
  const targets = await attempt(["apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(CODENAME)"]);
  const line = targets.stdout.split("\n").find((text) => / Debian [a-z]+$/.test(text));
  return line?.split(" ")[0] ?? DEBIAN;
}
