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

/** What comes from elsewhere cannot move the cursor or break the line. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** Several lines, the others under the first. */
export function indented(text: string, by: number): string {
  return text
    .split("\n")
    .map(oneLine)
    .join(`\n${" ".repeat(by)}`);
}

/** `repo:tag` without its digest, which has a column of its own. */
export function shortImage(image: string): string {
  return image.split("@", 1)[0] ?? image;
}

/** `sha256:1a2b3c4d5e6f`, as `docker images` shortens. */
export function shortDigest(digest: string | null): string {
  return digest?.slice(0, "sha256:".length + 12) ?? "";
}
