import type { Deployment } from "./deployment.ts";
import type { Disk, Ports } from "./ports.ts";
import { inWords } from "./size.ts";

const LOW_SHARE = 0.1;
const LOW_BYTES = 2 * 1024 ** 3;

/** Warns of disks that become full before it hurts: when one falls below the mark, not again until it has been above it. */
export class LowDisks {
  readonly #low = new Set<string>();

  /** @param paths the folders that are written to; several on one disk are one warning */
  look(paths: readonly string[], { disk, log }: Pick<Ports, "disk" | "log">): void {
    const fallen = new Map<string, string[]>();
    for (const path of new Set(paths)) {
      const state = lowness(path, disk);
      if (state !== undefined && !this.#low.has(path))
        fallen.set(state, [...(fallen.get(state) ?? []), path]);
      if (state === undefined) this.#low.delete(path);
      else this.#low.add(path);
    }
    for (const [state, folders] of fallen)
      log.warn("little room is left on the disk: free some, or pulls and writes will fail", {
        folders,
        free: state,
      });
  }
}

/** Says in the events of a deployment that its host is about to run out of room. */
export function tellLowDisk({ id }: Deployment, rootDir: string, { disk, journal }: Ports): void {
  const state = lowness(rootDir, disk);
  if (state !== undefined) journal.event(id, "log", "warn", `little room is left in ${rootDir}: ${state}`);
}

/** What is left, when that is little: less than a tenth, or less than 2 GiB. */
function lowness(path: string, disk: Disk): string | undefined {
  const free = disk.free(path);
  const size = disk.size(path);
  if (free === undefined || size === undefined || size === 0) return undefined;
  if (free >= LOW_BYTES && free >= LOW_SHARE * size) return undefined;
  return `${inWords(free)} of ${inWords(size)}`;
}
