import { z } from "zod";

/** What a load does. Shares are numbers from 0 to 1. */
export const LoadOptions = z.object({
  hostname: z.string().default("127.0.0.1"),
  port: z.number(),
  /** Host header; default `hostname:port`. */
  host: z.string().optional(),
  /** PEM of the CA: then it speaks TLS and asks for the name in `host`. */
  ca: z.string().optional(),
  /** What X-Service must say; default: anything. */
  service: z.string().optional(),
  perSecond: z.number().positive(),
  /** Requests on a connection of their own; the others share connections that are kept. */
  newConnections: z.number().default(0.5),
  /** `POST /echo` with 1 to `postKib` KiB, whose SHA-256 must come back after `postMs`; the others are `GET /`. */
  posts: z.number().default(0.2),
  postKib: z.number().default(32),
  postMs: z.number().default(0),
  /** `GET /slow?ms=<slowMs>`. */
  slow: z.number().default(0.01),
  slowMs: z.number().default(500),
  timeoutMs: z.number().default(10_000),
  seed: z.number().default(1),
});

export type LoadOptions = z.input<typeof LoadOptions>;

/** With all defaults filled in. */
export type LoadSettings = z.output<typeof LoadOptions>;

const Latency = z.object({ p50: z.number(), p90: z.number(), p99: z.number(), max: z.number() });

export type Latency = z.infer<typeof Latency>;

const Bucket = z.object({
  /** Its start. */
  at: z.number(),
  /** Requests that were due in it. */
  sent: z.number(),
  failed: z.number(),
  /** Of those that were answered; 0 when none was. */
  p50: z.number(),
  p99: z.number(),
  max: z.number(),
  /** Answers by X-Version. */
  versions: z.record(z.string(), z.number()),
});

const Failure = z.object({
  /** When the request was due. */
  at: z.number(),
  /** Until it failed. */
  took: z.number(),
  /** As `http-connection.ts` names it, or `status 503`, `wrong service x`, `wrong body`. */
  reason: z.string(),
  kind: z.enum(["get", "post", "slow"]),
  connection: z.enum(["new", "kept"]),
});

export type Failure = z.infer<typeof Failure>;

/**
 * Milliseconds everywhere, those of `at` since the start. A request's latency counts from when it was due, so a server that
 * stands still cannot hide it by being asked less; that of a slow one without the time it asked for.
 */
export const Measured = z.object({
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
  duration: z.number(),
  sent: z.number(),
  ok: z.number(),
  failed: z.number(),
  /** Failed ones by reason. */
  reasons: z.record(z.string(), z.number()),
  /** Answers by X-Version. */
  versions: z.record(z.string(), z.number()),
  latency: Latency,
  /** How late requests left; `kept`: 99 of 100 at most 10 ms. Otherwise the machine was too busy to measure latency. */
  schedule: z.object({ kept: z.boolean(), p99: z.number(), max: z.number() }),
  connections: z.number(),
  buckets: z.array(Bucket),
  /** The first 1,000. */
  failures: z.array(Failure),
  /** Every answer: when its request was due, and its latency. */
  samples: z.object({ at: z.array(z.number()), took: z.array(z.number()) }),
});

export type Measured = z.infer<typeof Measured>;

/** Something that happened meanwhile, milliseconds since the start. */
export type Mark = { name: string; at: number };

export type LoadResult = Measured & { marks: readonly Mark[] };

/** Of the answered requests that were due from `from` until before `to`, milliseconds since the start. */
export function latencyBetween({ samples }: Pick<Measured, "samples">, from: number, to: number): Latency {
  return latencyOf(samples.took.filter((_took, index) => isWithin(samples.at[index], from, to)));
}

/** Nearest rank; 0 of nothing. */
export function latencyOf(took: readonly number[]): Latency {
  const sorted = took.toSorted((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: rank(1) };
}

function isWithin(at: number | undefined, from: number, to: number): boolean {
  return at !== undefined && at >= from && at < to;
}
