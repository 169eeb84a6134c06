const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** RFC 3339 as this person's clock shows it: `2026-11-23 06:00:00`. */
export function localTime(time: string): string {
  const at = new Date(time);
  const two = (number: number): string => String(number).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `3 hours ago`, as `docker ps` counts. */
export function ago(time: string, now: number): string {
  const passed = now - Date.parse(time);
  if (passed < SECOND) return "now";
  if (passed < 2 * MINUTE) return count(passed, SECOND, "second");
  if (passed < 2 * HOUR) return count(passed, MINUTE, "minute");
  if (passed < 2 * DAY) return count(passed, HOUR, "hour");
  return count(passed, DAY, "day");
}

/** `0.4 s`, `12 s`, `2 min 5 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 10 * SECOND) return `${(Math.max(milliseconds, 0) / SECOND).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / SECOND);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function count(milliseconds: number, unit: number, name: string): string {
  const number = Math.floor(milliseconds / unit);
  return `${number} ${name}${number === 1 ? "" : "s"} ago`;
}
