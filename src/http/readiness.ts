import type { Clock } from "../core/ports.ts";

/** What is wrong with each part, undefined for a part that works; in the order of the probes. */
export type Readiness = ReadonlyMap<string, string | undefined>;

/** Resolves to what is wrong, or undefined. The signal aborts when its time is over. */
export type Probe = (signal: AbortSignal) => Promise<string | undefined>;

const MAX_AGE_MS = 5_000;
const PROBE_DEADLINE_MS = 2_000;

/**
 * Asks all parts at once, each for at most two seconds, and answers from a snapshot at most five seconds old. Callers
 * that come while it is taken share it, so that nobody can make the daemon probe faster.
 */
export function createReadiness(
  probes: Readonly<Record<string, Probe>>,
  clock: Clock,
): () => Promise<Readiness> {
  let snapshot: Promise<Readiness> | undefined;
  let takenAt = 0;
  let isTaking = false;

  const take = async (): Promise<Readiness> => {
    const parts = await Promise.all(
      Object.entries(probes).map(async ([part, probe]) => [part, await problemOf(probe, clock)] as const),
    );
    isTaking = false;
    return new Map(parts);
  };

  return () => {
    if (snapshot === undefined || (!isTaking && clock.now() - takenAt > MAX_AGE_MS)) {
      takenAt = clock.now();
      isTaking = true;
      snapshot = take();
    }
    return snapshot;
  };
}

async function problemOf(probe: Probe, clock: Clock): Promise<string | undefined> {
  const over = new AbortController();
  const answered = new AbortController();
  const late = async () => {
    await clock.sleep(PROBE_DEADLINE_MS, answered.signal);
    over.abort(new Error("probe deadline"));
    return `no answer within ${PROBE_DEADLINE_MS / 1000} s`;
  };
  try {
    return await Promise.race([probe(over.signal), late()]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    answered.abort();
  }
}
