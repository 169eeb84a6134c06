import { z } from "zod";

/** A flood of forged tokens. */
export const FloodOptions = z.object({
  port: z.number(),
  /** Kept open; each has one request under way at most. */
  connections: z.number(),
  /** At most so many requests a second, all connections together. */
  perSecond: z.number(),
});
export type FloodOptions = z.infer<typeof FloodOptions>;

export const FloodResult = z.object({
  /** Answers of 401. */
  refused: z.number(),
  /** Any other answer, by its status line. */
  others: z.record(z.string(), z.number()),
  /** Connections that the daemon closed or refused. */
  broken: z.number(),
  /** Milliseconds. */
  duration: z.number(),
});
export type FloodResult = z.infer<typeof FloodResult>;
