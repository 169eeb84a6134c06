/** What a caller asked for by `Prefer` (RFC 7240). */
export type Preferences = {
  respondAsync: boolean;
  /** Seconds. */
  wait: number | undefined;
  /** Ours: a stream of events tells how far pulls are, too. */
  progress: boolean;
};

const MAX_WAIT_SECONDS = 86_400;

/** Of a preference named twice the first counts; what is unknown or malformed is ignored, as the RFC wants it. */
export function parsePrefer(header: string | undefined): Preferences {
  const preferences = new Map<string, string>();
  for (const preference of header?.split(",") ?? []) {
    const [name = "", value = ""] = (preference.split(";", 1)[0] ?? "")
      .split("=", 2)
      .map((part) => part.trim());
    const key = name.toLowerCase();
    if (!preferences.has(key)) preferences.set(key, value.replace(/^"(.*)"$/, "$1"));
  }
  return {
    respondAsync: preferences.has("respond-async"),
    wait: parseSeconds(preferences.get("wait")),
    progress: preferences.has("progress"),
  };
}

function parseSeconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,9}$/.test(value)
    ? Math.min(Number(value), MAX_WAIT_SECONDS)
    : undefined;
}
