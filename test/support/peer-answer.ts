import { z } from "zod";

/** What a peer asks for and how often. */
export const Targets = z.array(z.object({ url: z.string(), perSecond: z.number() }));

export type Target = z.infer<typeof Targets>[number];

/** One answer as a peer has it. */
export const Answer = z.object({
  url: z.string(),
  /** When it was asked for; milliseconds since the epoch. */
  at: z.number(),
  /** Milliseconds, a second try included. */
  took: z.number(),
  /** The body; undefined: failed. */
  version: z.string().optional(),
  /** Why there was none, the second time too. */
  failure: z.string().optional(),
  /** Address and failure of the first try, when there was a second. */
  retried: z.string().optional(),
});

export type Answer = z.infer<typeof Answer>;
