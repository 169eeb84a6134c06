import type { Traffic } from "./edge.ts";

/** Times in milliseconds, of which no single one is kept: some hundred counters, however many there are. */
export type Latencies = {
  add(ms: number): void;
  /** Percentiles within 5 %, the maximum exact; undefined without any. */
  summary(): Traffic["latency"];
};

/** Each bucket ends so much above where it begins, so its middle is within 2 % of all that is in it; rounding adds 2 % at most. */
const GROWTH = 1.04;
/** An hour. What is above is counted as this, but for the maximum. */
const MOST_MS = 3_600_000;
const LOG_GROWTH = Math.log(GROWTH);
const BUCKETS = bucketOf(MOST_MS) + 1;

export function createLatencies(): Latencies {
  const counts = new Uint32Array(BUCKETS);
  let total = 0;
  let max = 0;

  /** The smallest time that so many of all are not above. */
  function percentile(share: number): number {
    const rank = Math.ceil(total * share);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      seen += counts[bucket] ?? 0;
      if (seen >= rank) return Math.min(Math.round(middleOf(bucket)), max);
    }
    return max;
  }

  return {
    add(ms) {
      const bucket = bucketOf(Math.min(ms, MOST_MS));
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      total += 1;
      max = Math.max(max, ms);
    },
    summary() {
      if (total === 0) return undefined;
      return { p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), max };
    },
  };
}

/** 0 has one of its own; the others end at a power of GROWTH. */
function bucketOf(ms: number): number {
  return ms < 1 ? 0 : Math.ceil(Math.log(ms) / LOG_GROWTH) + 1;
}

function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : (2 * GROWTH ** (bucket - 1)) / (1 + GROWTH);
}
