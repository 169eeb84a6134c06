import { setTimeout as after } from "node:timers/promises";

/** Waits, and no longer than until `enough` aborts. Nothing of it is left then that would keep a process alive. */
export async function sleep(milliseconds: number, enough?: AbortSignal): Promise<void> {
  await after(milliseconds, undefined, { signal: enough }).catch(() => undefined);
}
