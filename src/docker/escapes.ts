/** Compose doubles each `$` of what it prints, so that it is read again as it is. */
export function withoutEscapes(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("$$", () => "$");
  if (Array.isArray(value)) return value.map(withoutEscapes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, nested]) => [withoutEscapes(key), withoutEscapes(nested)]),
  );
}
