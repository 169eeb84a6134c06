import type { Ports } from "./ports.ts";

/**
 * What runs has changed by our own doing, and is noted at once: a host or a Docker that goes down before the next look
 * must come back with the new containers, and without the old ones. It never throws: what runs, runs, and the next look
 * makes up for a disk that is full.
 */
export function noteRunning(
  started: { id: string }[],
  stopped: { id: string }[],
  { store, log }: Pick<Ports, "store" | "log">,
): void {
  try {
    const look = store.lastLook();
    // Before the first look of all, which is about to come.
    if (look === undefined) return;
    const gone = new Set(stopped.map(({ id }) => id));
    const kept = look.running.filter((id) => !gone.has(id));
    const running = new Set([...kept, ...started.map(({ id }) => id)]);
    store.saveLook({ ...look, running: [...running].toSorted() });
  } catch (error) {
    log.warn("what runs now could not be noted", { error });
  }
}
