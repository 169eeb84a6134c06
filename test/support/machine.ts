import { existsSync } from "node:fs";

import { composeVersion, installComposePlugin } from "./compose-plugin.ts";
import { DEBIAN_KEYRING } from "./debian13.ts";
import { fetchHaproxy, hasHaproxy } from "./haproxy-files.ts";
import { readLinux, type Linux } from "./linux.ts";
import { attempt, BASE_ENV, hasCommand, run } from "./run.ts";

/** A command, and the Debian package that has it. */
export type Tool = { command: string; package: string };

export const ENGINE_TOOLS: readonly Tool[] = [
  { command: "dockerd", package: "docker.io" },
  { command: "containerd", package: "containerd" },
  { command: "iptables", package: "iptables" },
];

export const STAND_IN_TOOLS: readonly Tool[] = [
  { command: "docker", package: "docker.io" },
  { command: "docker-registry", package: "docker-registry" },
  { command: "busybox", package: "busybox-static" },
  { command: "setpriv", package: "util-linux" },
  { command: "curl", package: "curl" },
];

const TEST_TOOLS: readonly Tool[] = [
  ...ENGINE_TOOLS,
  ...STAND_IN_TOOLS,
  { command: "nsenter", package: "util-linux" },
  { command: "mkfs.ext4", package: "e2fsprogs" },
  { command: "nginx", package: "nginx" },
  { command: "objdump", package: "binutils" },
  { command: "shellcheck", package: "shellcheck" },
  { command: "systemd-analyze", package: "systemd" },
  { command: "openssl", package: "openssl" },
  { command: "git", package: "git" },
];

const INSTALL_ATTEMPTS = 3;
const INSTALL_PAUSE = 5_000;
const INSTALL_DEADLINE = 600_000;
const APT_ENV = { ...BASE_ENV, DEBIAN_FRONTEND: "noninteractive" };
const APT_OPTIONS = ["-y", "-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3"];

/**
 * Brings the compose plugin and `tools`; by default all that the end-to-end tests need, those that judge our files and
 * HAProxy's files included. Does nothing when all is there. `say` gets one plain line for every slow step.
 * Throws with the exact command to run when this is not root on Debian or Ubuntu.
 */
export async function ensureMachine(
  say: (line: string) => void,
  tools: readonly Tool[] = TEST_TOOLS,
): Promise<void> {
  const linux = readLinux();
  const missing = missingPackages(linux, tools);
  if (tools === TEST_TOOLS && !existsSync(DEBIAN_KEYRING)) missing.push("debian-archive-keyring");
  const compose = await composeVersion();
  const lacksHaproxy = tools === TEST_TOOLS && !hasHaproxy();
  if (missing.length === 0 && compose !== undefined && !lacksHaproxy) return;

  const composeFromApt = compose === undefined ? linux.composePackage : undefined;
  const packages = composeFromApt === undefined ? missing : [...missing, composeFromApt];
  if (!linux.hasApt || process.getuid?.() !== 0)
    throw new Error(howToInstall(linux, packages, compose === undefined));

  if (packages.length > 0) {
    say(`installing ${packages.join(", ")}`);
    await install(packages);
  }
  if ((await composeVersion()) === undefined) {
    say("installing the compose plugin of Debian 13 (Debian 12 has none)");
    await installComposePlugin();
  }
  if (lacksHaproxy) {
    say("fetching HAProxy 3.0 of Debian 13, for images");
    await fetchHaproxy();
  }
  const stillMissing = missingPackages(linux, tools);
  if (stillMissing.length > 0) throw new Error(`installed, but not found: ${stillMissing.join(", ")}`);
}

function missingPackages(linux: Linux, tools: readonly Tool[]): string[] {
  const missing = tools
    .filter((tool) => !hasCommand(tool.command))
    .map((tool) => (tool.command === "docker" ? linux.dockerCliPackage : tool.package));
  return [...new Set(missing)];
}

/** With the package lists at hand first: on a machine that has them, that saves the update. */
async function install(packages: readonly string[]): Promise<void> {
  const argv = ["apt-get", "install", ...APT_OPTIONS, "--no-install-recommends", ...packages];
  const options = { env: APT_ENV, deadline: INSTALL_DEADLINE };
  if ((await attempt(argv, options)).exitCode === 0) return;
  for (let tries = 1; ; tries++) {
    await attempt(["apt-get", "update", ...APT_OPTIONS], options);
    if (tries === INSTALL_ATTEMPTS) break;
    if ((await attempt(argv, options)).exitCode === 0) return;
    await Bun.sleep(INSTALL_PAUSE);
  }
  await run(argv, options);
}

function howToInstall(linux: Linux, packages: readonly string[], withoutCompose: boolean): string {
  const what = [
    ...packages,
    ...(withoutCompose && linux.composePackage === undefined
      ? ["the docker compose plugin (2.20 or newer)"]
      : []),
  ];
  if (!linux.hasApt && what.length > 0) {
    return `missing: ${what.join(", ")} (Debian's names). Set-up by itself works on Debian and Ubuntu only; install them, then run this again as root.`;
  }
  const apt =
    packages.length > 0 ? `\n  sudo apt-get install --no-install-recommends ${packages.join(" ")}` : "";
  if (what.length === 0) return "HAProxy's image is fetched once by root: run this as root.";
  return `missing: ${what.join(", ")}. Run this as root, which installs them, or:${apt}${
    withoutCompose && linux.composePackage === undefined
      ? "\n  and the compose plugin as https://docs.docker.com/compose/install/linux/ says"
      : ""
  }`;
}
