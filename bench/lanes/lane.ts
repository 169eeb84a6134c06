import { latencyBetween, latencyOf, type Latency, type LoadResult } from "../../test/support/load-result.ts";

/** Every lane gets the same load. */
export const PER_SECOND = 300;
/** Before the first swap and after the last. */
export const QUIET_MS = 3_000;
const BUCKET_MS = 100;

/** A piece of a load's time, milliseconds since its start. */
export type Span = { from: number; to: number };

/** What a lane has measured. */
export type LaneResult = {
  result: LoadResult;
  /** Each from the command to its end. */
  swaps: readonly Span[];
  /** How the deployments ended: `{ succeeded: 100 }`; of what is no deployment, nothing. */
  ended: Readonly<Record<string, number>>;
};

export type Counts = { sent: number; failed: number };

/** Requests that were due in one of the spans, to a tenth of a second. */
export function countsIn({ buckets }: Pick<LoadResult, "buckets">, spans: readonly Span[]): Counts {
  const within = buckets.filter(({ at }) => isIn(at + BUCKET_MS / 2, spans));
  return {
    sent: within.reduce((sum, { sent }) => sum + sent, 0),
    failed: within.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/** Of all answered requests that were due in one of the spans. */
export function latencyIn({ samples }: Pick<LoadResult, "samples">, spans: readonly Span[]): Latency {
  return latencyOf(samples.took.filter((_took, index) => isIn(samples.at[index] ?? -1, spans)));
}

/** The p99 of each span by itself. */
export function p99Each(result: Pick<LoadResult, "samples">, spans: readonly Span[]): number[] {
  return spans.map(({ from, to }) => latencyBetween(result, from, to).p99);
}

/** The longest time in which no answer came. That of a slow request counts as if it had not been asked to be slow. */
export function longestSilence({ samples }: Pick<LoadResult, "samples">): number {
  const answers = samples.at.map((at, index) => at + (samples.took[index] ?? 0)).toSorted((a, b) => a - b);
  let longest = 0;
  for (const [index, answer] of answers.entries())
    longest = Math.max(longest, answer - (answers[index - 1] ?? answer));
  return longest;
}

/** All of a load's time but these spans. */
export function outside(spans: readonly Span[], duration: number): Span[] {
  const starts = [0, ...spans.map(({ to }) => to)];
  const ends = [...spans.map(({ from }) => from), duration];
  return starts.map((from, index) => ({ from, to: ends[index] ?? duration }));
}

/** `{ succeeded: 2 }` of two that succeeded. */
export function countBy(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    Map.groupBy(names, (name) => name)
      .entries()
      .map(([name, all]) => [name, all.length]),
  );
}

function isIn(at: number, spans: readonly Span[]): boolean {
  return spans.some(({ from, to }) => at >= from && at < to);
}
