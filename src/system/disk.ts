import { type StatsFs, statfsSync } from "node:fs";

import type { Disk } from "../core/ports.ts";

/** The disks that this process sees. Free is what a user who is not root may still fill. */
export const systemDisk: Disk = {
  free: (path) => bytes(path, ({ bavail, bsize }) => bavail * bsize),
  size: (path) => bytes(path, ({ blocks, bsize }) => blocks * bsize),
};

/** Undefined where Docker's folder is not here: it may run on another host, or in a namespace of its own. */
function bytes(path: string, count: (filesystem: StatsFs) => number): number | undefined {
  try {
    return count(statfsSync(path));
  } catch {
    return undefined;
  }
}
