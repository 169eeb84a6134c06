import { UsageError } from "./arguments.ts";

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
/** Longer than anybody may follow a deployment. */
const LONGEST_MS = 24 * 3_600_000;

/** Aborts after `10m`, `90s` or `2h`; undefined without a text. Errors: `UsageError`. */
export function timeLimit(text: string | undefined): AbortSignal | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = "s"] = /^(\d{1,6})([smh])?$/.exec(text) ?? [];
  const milliseconds = Number(number) * (UNITS[unit] ?? 0);
  if (milliseconds > 0 && milliseconds <= LONGEST_MS) return AbortSignal.timeout(milliseconds);
  throw new UsageError('flag "--timeout" needs a time from 1s to 24h, as 90s, 10m or 1h');
}
