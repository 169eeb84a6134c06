const INSTALL_DEADLINE_MS = 120_000;

/** The path of a program the tests need; on a Debian machine root gets it installed. Throws with what to install. */
export function tool(name: string, debianPackage: string): string {
  const found = Bun.which(name);
  if (found !== null) return found;
  if (process.getuid?.() === 0 && Bun.which("apt-get") !== null) {
    apt("update");
    apt("install", "--yes", "--no-install-recommends", debianPackage);
  }
  const installed = Bun.which(name);
  if (installed === null) throw new Error(`${name} is missing: install the package ${debianPackage}`);
  return installed;
}

function apt(...args: string[]): void {
  Bun.spawnSync(["apt-get", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "ignore"],
    timeout: INSTALL_DEADLINE_MS,
  });
}
