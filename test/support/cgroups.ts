import { mkdirSync, readFileSync } from "node:fs";

import { run } from "./run.ts";

const ROOT = "/sys/fs/cgroup";

/**
 * Mounts the control groups where no init system has: dockerd needs them, and a bare machine may have none.
 * Controllers that the kernel has bound to version 1 hierarchies can only be had there, so those decide the version.
 */
export async function ensureCgroups(): Promise<void> {
  if (/ cgroup2? /.test(readFileSync("/proc/mounts", "utf8"))) return;
  const controllers = enabledControllers();
  if (controllers.every(({ hierarchy }) => hierarchy === "0")) {
    await run(["mount", "-t", "cgroup2", "cgroup2", ROOT]);
    return;
  }
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", ROOT]);
  for (const { name } of controllers) {
    mkdirSync(`${ROOT}/${name}`, { recursive: true });
    await run(["mount", "-t", "cgroup", "-o", name, "cgroup", `${ROOT}/${name}`]);
  }
}

function enabledControllers(): { name: string; hierarchy: string }[] {
  const rows = readFileSync("/proc/cgroups", "utf8").trim().split("\n").slice(1);
  return rows
    .map((row) => row.split("\t"))
    .filter(([, , , enabled]) => enabled === "1")
    .map(([name = "", hierarchy = ""]) => ({ name, hierarchy }));
}
