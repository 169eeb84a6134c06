import type { Healthcheck } from "../core/engine.ts";
import type { Inspection } from "./inspect.ts";

const NANOSECONDS_PER_MS = 1_000_000;
/** moby `daemon/health.go`. */
const DEFAULT_INTERVAL_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRIES = 3;
const DEFAULT_SHELL = ["/bin/sh", "-c"];

/**
 * A container's HEALTHCHECK, the image's and the compose file's already merged by Docker; undefined without one and for
 * `NONE`. Forms of the test and defaults as in moby `daemon/health.go`.
 */
export function healthcheckOf({ Healthcheck: check, Shell }: Inspection["Config"]): Healthcheck | undefined {
  const argv = argvOf(check?.Test ?? [], Shell ?? []);
  if (check === null || check === undefined || argv.length === 0) return undefined;
  return {
    argv,
    intervalMs: milliseconds(check.Interval) || DEFAULT_INTERVAL_MS,
    timeoutMs: milliseconds(check.Timeout) || DEFAULT_TIMEOUT_MS,
    startPeriodMs: milliseconds(check.StartPeriod),
    retries: check.Retries > 0 ? check.Retries : DEFAULT_RETRIES,
  };
}

function argvOf([form, ...rest]: string[], shell: string[]): string[] {
  if (form === "CMD") return rest;
  if (form === "CMD-SHELL" && rest.length > 0)
    return [...(shell.length > 0 ? shell : DEFAULT_SHELL), ...rest];
  return [];
}

/** Docker allows none below a millisecond. */
function milliseconds(nanoseconds: number): number {
  return Math.max(0, Math.round(nanoseconds / NANOSECONDS_PER_MS));
}
