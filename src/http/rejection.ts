import type { Rejection } from "../core/rejection.ts";
import { printable, printableText } from "../system/printable.ts";

/** Characters of a text that are kept. */
const MOST_TEXT = 300;
/** GitHub's tokens have about 35. */
const MOST_CLAIMS = 50;
const MOST_NAME = 64;
/** Characters of all claims together. */
const MOST_IN_ALL = 6_000;
const REST = "…";

/** A refused request in the size that it is kept in, without anything that looks like a secret. */
export function toRejection(
  refused: Omit<Rejection, "at" | "unlisted" | "claims">,
  claims: Readonly<Record<string, unknown>> | undefined,
): Omit<Rejection, "at" | "unlisted"> {
  const { path, cause } = refused;
  return { ...refused, path: short(path), cause: short(cause), claims: claims && shortened(claims) };
}

function shortened(claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept: [string, unknown][] = [];
  let length = 0;
  for (const [name, value] of Object.entries(printable(claims) ?? {})) {
    const entry: [string, unknown] = [name.slice(0, MOST_NAME), shortValue(value)];
    length += JSON.stringify(entry).length;
    if (kept.length === MOST_CLAIMS || length > MOST_IN_ALL)
      return Object.fromEntries([...kept, [REST, REST]]);
    kept.push(entry);
  }
  return Object.fromEntries(kept);
}

function shortValue(value: unknown): unknown {
  if (typeof value === "string") return cut(value);
  return typeof value === "object" && value !== null ? cut(JSON.stringify(value)) : value;
}

function short(text: string): string {
  return cut(printableText(text));
}

function cut(text: string): string {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}${REST}` : text;
}
