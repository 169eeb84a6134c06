import { parseDuration } from "./duration.ts";
import { textOf, written } from "./written.ts";

const HIGHEST_PORT = 65_535;
const LONGEST_MS = 3_600_000;

/** A TCP port. */
export const PortSetting = written((value, refuse) => {
  const port = wholeNumber(value);
  return 1 <= port && port <= HIGHEST_PORT ? port : refuse(`must be a port from 1 to ${HIGHEST_PORT}`);
});

/** A number from 1 to `highest`. */
export function numberSetting(highest: number) {
  return written((value, refuse) => {
    const number = wholeNumber(value);
    return 1 <= number && number <= highest ? number : refuse(`must be a number from 1 to ${highest}`);
  });
}

/** A duration in milliseconds, an hour at most. */
export function durationSetting({ mayBeZero }: { mayBeZero: boolean }) {
  return written((value, refuse) => {
    if (typeof value === "number" && value > 0 && Number.isFinite(value))
      return refuse(`needs a unit: write ${value}s for seconds`);
    const text = textOf(value);
    const milliseconds = text === "0" ? 0 : parseDuration(text);
    if (milliseconds === undefined) return refuse("must be a duration, as in 10s, 1m30s or 500ms");
    if (milliseconds > LONGEST_MS) return refuse("must not be longer than 1h");
    if (milliseconds === 0 && !mayBeZero) return refuse("must be longer than 0");
    return milliseconds;
  });
}

/** 0 for what is none. */
function wholeNumber(value: unknown): number {
  const text = textOf(value);
  return /^\d{1,7}$/.test(text) ? Number(text) : 0;
}
