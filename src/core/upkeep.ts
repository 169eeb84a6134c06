import { keepHouse } from "./housekeeping.ts";
import { LowDisks } from "./low-disk.ts";
import type { Ports } from "./ports.ts";
import { unlessAborted } from "./wait.ts";

const EVERY_MS = 3_600_000;

/** What is seen to at the start, once an hour, and when a deployment has ended: old images and the room on the disks. */
export class Upkeep {
  readonly #disks = new LowDisks();
  #wakeUp = new AbortController();

  /** A deployment has ended; its caller does not wait for what that leaves to do. */
  wake(): void {
    this.#wakeUp.abort();
  }

  /**
   * Goes on until `signal` aborts.
   * @param recovered before that, nothing is removed
   */
  async keep(stateDir: string, recovered: Promise<void>, ports: Ports, signal: AbortSignal): Promise<void> {
    this.#disks.look([stateDir], ports);
    await unlessAborted(recovered, signal).catch(() => undefined);
    while (!signal.aborted) {
      this.#wakeUp = new AbortController();
      await keepHouse(ports, signal);
      this.#disks.look([stateDir, ...(await rootDir(ports))], ports);
      await ports.clock
        .sleep(EVERY_MS, AbortSignal.any([signal, this.#wakeUp.signal]))
        .catch(() => undefined);
    }
  }
}

/** Nowhere while Docker is away. */
async function rootDir({ engine }: Ports): Promise<string[]> {
  return await engine.info().then(
    (info) => [info.rootDir],
    () => [],
  );
}
