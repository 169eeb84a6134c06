import { errorCode } from "./errors.ts";
import type { Clock } from "./ports.ts";

const ATTEMPTS = 3;
const PAUSE_MS = 2_000;

/**
 * Does again what failed, twice at most: a person's Compose, or a signal to ours, may have been at work on the very same
 * containers for a moment. What did not pass the gate is not asked again.
 */
export async function persist<T>(work: () => Promise<T>, clock: Clock): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || errorCode(error) === "unhealthy") throw error;
      await clock.sleep(PAUSE_MS);
    }
  }
}
