import { oneLine } from "../client/one-line.ts";

const GAP = "   ";

/** Rows under a heading, each column as wide as its widest cell; an empty cell is a dash. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows.map((row) => row.map((cell) => oneLine(cell) || "-"))];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join("");
}

/** Several lines, the others under the first. */
export function indented(text: string, by: number): string {
  return text
    .split("\n")
    .map(oneLine)
    .join(`\n${" ".repeat(by)}`);
}
