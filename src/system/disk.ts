import { type StatsFs, statfsSync } from "node:fs";

import type { Disk } from "../core/ports.ts";

/** The disks that this process sees. Free is what a user who is not root may still fill. */
export const systemDisk: Disk = {
  free: (path) => bytes(path, ({ bavail, bsize }) => bavail * bsize),
  size: (path) => bytes(path, ({ blocks, bsize }) => blocks * bsize),
};

function bytes(path: string, of: (stats: StatsFs) => number): number | undefined {
  try {
    return of(statfsSync(path));
  } catch {
    // Docker on another host, or in a namespace of its own.
    return undefined;
  }
}
