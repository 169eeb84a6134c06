import type { Store } from "./store.ts";

/**
 * What runs has changed by our own doing, and is noted at once: a host or a Docker that goes down before the next look
 * must come back with the new containers, and without the old ones.
 */
export function noteRunning(
  started: { id: string }[],
  stopped: { id: string }[],
  store: Pick<Store, "lastLook" | "saveLook">,
): void {
  const look = store.lastLook();
  // Before the first look of all, which is about to come.
  if (look === undefined) return;
  const gone = new Set(stopped.map(({ id }) => id));
  const running = new Set([...look.running.filter((id) => !gone.has(id)), ...started.map(({ id }) => id)]);
  store.saveLook({ ...look, running: [...running].toSorted() });
}
