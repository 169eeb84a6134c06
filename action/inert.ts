import { stripVTControlCharacters } from "node:util";

/** In characters. */
const LONGEST_LINE = 2_000;
/** What only steers a terminal or the order of reading: controls, and marks of direction (Unicode TR 9). */
const NOT_PRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/**
 * One line of a text that somebody else wrote, such that neither a terminal nor GitHub's runner does anything for it: the
 * runner looks for `##[command]` anywhere in a line. What it takes for `::command::` has to stand at the beginning of one,
 * where we never put such a text.
 */
export function inert(text: string): string {
  const line = stripVTControlCharacters(text.slice(0, 2 * LONGEST_LINE).replaceAll(/[\t\r\n]+/g, " "))
    .replaceAll(NOT_PRINTABLE, "")
    .replaceAll("##[", "## [");
  const isCut = line.length > LONGEST_LINE || text.length > 2 * LONGEST_LINE;
  return isCut ? `${line.slice(0, LONGEST_LINE).toWellFormed()}…` : line;
}

/** As `inert`, for texts of several lines; empty ones are left out. */
export function inertLines(text: string): string[] {
  return text
    .split(/[\r\n]+/)
    .map(inert)
    .filter((line) => line.trim() !== "");
}
