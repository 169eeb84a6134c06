import { expect, test } from "bun:test";
import fc from "fast-check";

import { createLatencies } from "./latency.ts";

/** Nearest rank. */
function exact(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}

function summaryOf(times: readonly number[]) {
  const latencies = createLatencies();
  for (const time of times) latencies.add(time);
  return latencies.summary();
}

test("percentiles are within 5 % of the exact ones, the maximum is exact", () => {
  const time = fc.oneof(
    fc.integer({ min: 0, max: 30 }),
    fc.integer({ min: 0, max: 2_000 }),
    fc.integer({ min: 0, max: 3_600_000 }),
  );
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 500 }), (times) => {
      const sorted = times.toSorted((a, b) => a - b);
      const { p50, p90, p99, max } = summaryOf(times) ?? { p50: -1, p90: -1, p99: -1, max: -1 };
      expect(max).toBe(sorted.at(-1) ?? -1);
      for (const [got, share] of [
        [p50, 0.5],
        [p90, 0.9],
        [p99, 0.99],
      ] as const) {
        const right = exact(sorted, share);
        expect(Math.abs(got - right)).toBeLessThanOrEqual(right * 0.05);
      }
    }),
  );
});

test("times up to 24 ms are exact", () => {
  for (let ms = 0; ms <= 24; ms += 1) expect(summaryOf([ms, ms, 1_000])?.p50).toBe(ms);
});

test("what is above an hour counts, and the maximum tells it", () => {
  expect(summaryOf([5_000_000])).toMatchObject({ p50: expect.any(Number), max: 5_000_000 });
});

test("no times are no percentiles", () => {
  expect(summaryOf([])).toBeUndefined();
});
