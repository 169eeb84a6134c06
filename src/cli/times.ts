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

function count(milliseconds: number, unit: number, name: string): string {
  const number = Math.floor(milliseconds / unit);
  return `${number} ${name}${number === 1 ? "" : "s"} ago`;
}
