/**
 * Whether a caller asked for JSON (RFC 9110, 12.5.1): `application/json` is named, and not liked less than `text/plain`.
 * A wildcard asks for nothing, so curl's own `*` + `/*` gets text.
 */
export function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes("application/json")) return false;
  const json = quality(accept, "application/json");
  return json > 0 && json >= quality(accept, "text/plain");
}

/** Whether a caller asked for server-sent events, and likes nothing else that it named better. */
export function prefersEvents(accept: string | undefined): boolean {
  if (accept === undefined || !accept.toLowerCase().includes("text/event-stream")) return false;
  const events = quality(accept, "text/event-stream");
  const others = ["application/json", "text/plain"].map((type) => quality(accept, type));
  return events > 0 && others.every((other) => events >= other);
}

/** 0 when the type is not named or its weight makes no sense. */
function quality(accept: string, type: string): number {
  for (const range of accept.split(",")) {
    const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    return weight === undefined ? 1 : Number(weight.slice(2)) || 0;
  }
  return 0;
}
