import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";

import { attempt } from "./run.ts";
import { waitFor } from "./wait.ts";

const CGROUPS = "/sys/fs/cgroup";
const END_DEADLINE = 10_000;

/** Ends what a dockerd that is gone has left: processes of its containers, their shims, mounts below `dir`, control groups. */
export async function removeRemains(dir: string, cgroupParent: string): Promise<void> {
  await waitFor("the last processes of a private docker to end", END_DEADLINE, () => {
    const pids = processesOf(dir, cgroupParent);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  });
  for (const mount of mountsBelow(dir)) await attempt(["umount", "--lazy", mount]);
  for (const folder of cgroupFolders(cgroupParent)) removeTree(folder);
}

/** Containers by their control group, shims and containerd by the address they were started with. */
function processesOf(dir: string, cgroupParent: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const inCgroup = read(`/proc/${pid}/cgroup`).includes(`:${cgroupParent}/`);
      const args = read(`/proc/${pid}/cmdline`).split("\0");
      const isHelper =
        args[0]?.includes("containerd") === true && args.some((arg) => arg.startsWith(`${dir}/`));
      return inCgroup || isHelper;
    })
    .map(Number);
}

function mountsBelow(dir: string): string[] {
  return read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((mount) => mount.startsWith(`${dir}/`))
    .toReversed();
}

/** One in version 2, one in each hierarchy of version 1. */
function cgroupFolders(parent: string): string[] {
  return [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))]
    .map((folder) => folder + parent)
    .filter(existsSync);
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  try {
    rmdirSync(folder);
  } catch {
    // still busy: an empty control group left behind harms nobody
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone by itself
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
