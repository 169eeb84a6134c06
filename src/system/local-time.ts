const MINUTE_MS = 60_000;
/** Every offset change since 1972 falls on a quarter of an hour, so one offset serves that long. */
const QUARTER_HOUR_MS = 15 * MINUTE_MS;

/** Renders milliseconds since the epoch as RFC 3339 local time with milliseconds: `2026-11-23T06:00:00.123-06:00`. */
export function localTime(timeZone: string): (milliseconds: number) => string {
  const format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  let quarter = Number.NaN;
  let offset = "";
  let offsetMs = 0;

  return (milliseconds) => {
    if (Math.floor(milliseconds / QUARTER_HOUR_MS) !== quarter) {
      quarter = Math.floor(milliseconds / QUARTER_HOUR_MS);
      offset = offsetText(format, milliseconds);
      offsetMs = offsetMinutes(offset) * MINUTE_MS;
    }
    return new Date(milliseconds + offsetMs).toISOString().replace("Z", offset);
  };
}

/** `GMT-06:00` -> `-06:00`, `GMT` -> `+00:00`. */
function offsetText(format: Intl.DateTimeFormat, milliseconds: number): string {
  const name = format.formatToParts(milliseconds).find((part) => part.type === "timeZoneName")?.value ?? "";
  return /[+-]\d\d:\d\d/.exec(name)?.[0] ?? "+00:00";
}

function offsetMinutes(offset: string): number {
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6));
  return offset.startsWith("-") ? -minutes : minutes;
}
