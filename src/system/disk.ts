import { statfsSync } from "node:fs";

import type { Disk } from "../core/ports.ts";

/** The disks that this process sees. Free is what a user who is not root may still fill. */
export const systemDisk: Disk = {
  free(path) {
    try {
      const { bavail, bsize } = statfsSync(path);
      return bavail * bsize;
    } catch {
      // Docker on another host, or in a namespace of its own.
      return undefined;
    }
  },
};
