import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { attempt, BASE_ENV, run } from "./run.ts";

/** What proves that a package is Debian's; on Ubuntu the package `debian-archive-keyring` has it. */
export const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

const DEBIAN = "http://deb.debian.org/debian";
const SUITE = "trixie";
const DOWNLOAD_DEADLINE = 300_000;

/**
 * Unpacks packages of Debian 13 into a temporary folder, which is gone when `use` has ended. Nothing is installed, none of
 * their scripts run, and what they depend on has to be named too. apt gets lists, cache and source of its own, so the
 * machine's own sources and package lists never hear of Debian 13. Throws what apt says when a package cannot be had.
 */
export async function withDebian13<T>(
  packages: readonly string[],
  use: (unpacked: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "debian13-"));
  try {
    const apt = await privateApt(folder);
    const options = {
      cwd: folder,
      deadline: DOWNLOAD_DEADLINE,
      env: { ...BASE_ENV, DEBIAN_FRONTEND: "noninteractive" },
    };
    await run([...apt, "update"], options);
    await run([...apt, "download", ...packages], options);
    const archives = readdirSync(folder).filter((name) => name.endsWith(".deb"));
    if (archives.length !== packages.length)
      throw new Error(`apt-get download ${packages.join(" ")} left ${archives.length} files`);
    const unpacked = join(folder, "unpacked");
    for (const archive of archives) await run(["dpkg", "-x", archive, unpacked], options);
    return await use(unpacked);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function privateApt(folder: string): Promise<string[]> {
  if (!existsSync(DEBIAN_KEYRING)) throw new Error(`${DEBIAN_KEYRING} is missing`);
  for (const name of ["lists/partial", "cache/archives/partial"])
    mkdirSync(join(folder, name), { recursive: true });
  const source = join(folder, "sources.list");
  writeFileSync(source, `deb [signed-by=${DEBIAN_KEYRING}] ${await debianMirror()} ${SUITE} main\n`);
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
