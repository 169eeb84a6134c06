const UNITS_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 0.001,
};

const PART = /(\d+(?:\.\d+)?)(h|ms|m|s|us)/y;

/**
 * Whole milliseconds of a duration as compose files have them: `10s`, `1m30s`, `2.5s`, `500ms`; undefined for anything else.
 *
 * https://github.com/compose-spec/compose-spec/blob/main/11-extension.md#specifying-durations
 */
export function parseDuration(text: string): number | undefined {
  let milliseconds = 0;
  let end = 0;
  while (end < text.length) {
    PART.lastIndex = end;
    const [, amount = "", unit = ""] = PART.exec(text) ?? [];
    if (unit === "") return undefined;
    milliseconds += Number(amount) * (UNITS_MS[unit] ?? Number.NaN);
    end = PART.lastIndex;
  }
  return text === "" ? undefined : Math.round(milliseconds);
}
