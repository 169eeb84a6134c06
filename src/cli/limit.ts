import { UsageError } from "./arguments.ts";

/** The value of `--limit`. Errors: `UsageError`. */
export function readLimit(
  text: string | undefined,
  { otherwise, most }: { otherwise: number; most: number },
): number {
  if (text === undefined) return otherwise;
  const limit = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= most) return limit;
  throw new UsageError(`flag "--limit" needs a number from 1 to ${most}`);
}
