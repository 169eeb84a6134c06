import type { LoadResult } from "../test/support/load-result.ts";

/** A piece of time as a picture shows it. */
export type Column = {
  /** Its middle, and its length; milliseconds. */
  at: number;
  length: number;
  /** 0 when nothing was answered. */
  p50: number;
  p99: number;
  max: number;
  failed: number;
};

export const BUCKET_MS = 100;
/** As many as can be told apart. */
const MOST = 430;

/** Buckets side by side become one column where there are more of them than a picture can show: the worst of them counts. */
export function columnsOf(buckets: LoadResult["buckets"], end: number): Column[] {
  const length = Math.ceil(end / BUCKET_MS / MOST) * BUCKET_MS;
  const groups = Map.groupBy(buckets, ({ at }) => Math.floor(at / length));
  return [...groups].map(([index, group]) => ({
    at: index * length + length / 2,
    length,
    p50: Math.max(...group.map(({ p50 }) => p50)),
    p99: Math.max(...group.map(({ p99 }) => p99)),
    max: Math.max(...group.map(({ max }) => max)),
    failed: group.reduce((sum, { failed }) => sum + failed, 0),
  }));
}

/** Runs of columns in which requests were answered, with nothing between them but silence. */
export function answeredRuns(columns: readonly Column[]): Column[][] {
  const runs: Column[][] = [[]];
  for (const column of columns) {
    if (column.max > 0) runs.at(-1)?.push(column);
    else runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}
