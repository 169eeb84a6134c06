import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import type { Daemon } from "../test/support/daemon.ts";
import { waitFor } from "../test/support/wait.ts";

export const OBJECTS_FILE = "objects.json";

const DEADLINE = 20_000;

const Objects = z.object({
  objectCount: z.number(),
  /** Bytes. */
  heapSize: z.number(),
  objectTypeCounts: z.record(z.string(), z.number()),
});

/** What JavaScript's heap holds when its garbage has been collected. */
export type Objects = z.infer<typeof Objects>;

/** Asks a daemon that was built from `counted-main.ts`. */
export async function countObjects({ pid, stateDir }: Daemon): Promise<Objects> {
  const path = join(stateDir, OBJECTS_FILE);
  process.kill(pid, "SIGUSR2");
  await waitFor("the objects to be counted", DEADLINE, () => existsSync(path));
  const objects = Objects.parse(JSON.parse(readFileSync(path, "utf8")));
  rmSync(path);
  return objects;
}

/** Those there are more of, the most first: `12 Promise, 3 Array`. */
export function grown(before: Objects, after: Objects, least: number): string {
  const more = Object.entries(after.objectTypeCounts)
    .map(([type, count]) => ({ type, count: count - (before.objectTypeCounts[type] ?? 0) }))
    .filter(({ count }) => count >= least)
    .toSorted((a, b) => b.count - a.count);
  return more.length === 0 ? "none" : more.map(({ type, count }) => `${count} ${type}`).join(", ");
}
