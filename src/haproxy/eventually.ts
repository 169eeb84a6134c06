import type { Clock } from "../core/ports.ts";

const POLL_MS = 25;

/** Asks until it is so, or the time is over: then a failure of the last time is thrown. A proxy that starts anew is waited for. */
export async function eventually(
  withinMs: number,
  clock: Clock,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const deadline = clock.now() + withinMs;
  for (;;) {
    const isLast = clock.now() >= deadline;
    try {
      if (await isSo()) return;
    } catch (error) {
      if (isLast) throw error;
    }
    if (isLast) return;
    await clock.sleep(POLL_MS);
  }
}
