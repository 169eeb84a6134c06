import type { Clock, Log } from "./ports.ts";
import type { Store } from "./store.ts";

const KEEP_MS = 90 * 24 * 3_600_000;
const KEEP_DEPLOYMENTS = 10_000;
/** Not after each deployment: that is when callers wait for answers, and some too many for an hour harm nobody. */
const EVERY_MS = 3_600_000;
/** With their events about a thousand rows: a few milliseconds in which nobody is answered. */
const BATCH = 20;
const BREATH_MS = 50;

/**
 * Forgets deployments older than 90 days and those beyond the 10,000 newest, their events with them, and expired keys: at
 * the start and once an hour, in small steps between which requests are answered. Ends when `signal` aborts.
 */
export async function keepRetention(
  { store, clock, log }: { store: Store; clock: Clock; log: Log },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await pruneAll(store, clock, log, signal);
    } catch (error) {
      if (!signal.aborted) log.error("old deployments could not be forgotten", { error });
    }
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}

async function pruneAll(store: Store, clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  let forgotten = 0;
  store.dropExpiredReadKeys(clock.now());
  for (;;) {
    await clock.sleep(BREATH_MS, signal);
    const createdBefore = clock.now() - KEEP_MS;
    const gone = store.prune({ createdBefore, keep: KEEP_DEPLOYMENTS, batch: BATCH });
    forgotten += gone;
    if (gone === 0) break;
  }
  if (forgotten > 0) log.info("old deployments forgotten", { deployments: forgotten });
}
