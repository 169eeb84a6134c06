import { type Failure, latencyOf, type Measured } from "./load-result.ts";

/** Counts each request of a load once. */
export type Tally = {
  /** Left so late. */
  sent(late: number): void;
  answered(at: number, took: number, version: string): void;
  failed(failure: Failure): void;
  result(startedAt: number, duration: number, connections: number): Measured;
};

type Answered = { at: number; took: number; version: string };

const BUCKET_MS = 100;
const LATE_MS = 10;
const FAILURES_KEPT = 1_000;
const DECIMALS = 100;

export function createTally(): Tally {
  const late: number[] = [];
  const answered: Answered[] = [];
  const failures: Failure[] = [];
  return {
    sent: (by) => void late.push(by),
    answered: (at, took, version) => void answered.push({ at: round(at), took: round(took), version }),
    failed: (failure) => void failures.push({ ...failure, at: round(failure.at), took: round(failure.took) }),
    result(startedAt, duration, connections) {
      const lateness = latencyOf(late);
      return {
        startedAt,
        duration: round(duration),
        sent: late.length,
        ok: answered.length,
        failed: failures.length,
        reasons: countBy(failures, ({ reason }) => reason),
        versions: countBy(answered, ({ version }) => version),
        latency: latencyOf(answered.map(({ took }) => took)),
        schedule: {
          kept: lateness.p99 <= LATE_MS,
          p99: round(lateness.p99),
          max: round(lateness.max),
        },
        connections,
        buckets: bucketsOf(answered, failures),
        failures: failures.toSorted((a, b) => a.at - b.at).slice(0, FAILURES_KEPT),
        samples: { at: answered.map(({ at }) => at), took: answered.map(({ took }) => took) },
      };
    },
  };
}

function bucketsOf(answered: readonly Answered[], failures: readonly Failure[]): Measured["buckets"] {
  const answeredIn = groupByBucket(answered);
  const failedIn = groupByBucket(failures);
  const last = Math.max(-1, ...answeredIn.keys(), ...failedIn.keys());
  return Array.from({ length: last + 1 }, (_, index) => {
    const here = answeredIn.get(index) ?? [];
    const failed = failedIn.get(index)?.length ?? 0;
    const { p50, p99, max } = latencyOf(here.map(({ took }) => took));
    const versions = countBy(here, ({ version }) => version);
    return { at: index * BUCKET_MS, sent: here.length + failed, failed, p50, p99, max, versions };
  });
}

function groupByBucket<T extends { at: number }>(items: readonly T[]): Map<number, T[]> {
  return Map.groupBy(items, ({ at }) => Math.floor(at / BUCKET_MS));
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) {
    const key = keyOf(item);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * DECIMALS) / DECIMALS;
}
