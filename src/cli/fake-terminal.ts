import type { Terminal } from "./region.ts";

const ESCAPE = "\u001b";
/** What moves or clears, what colours, and text. */
const TOKEN = new RegExp(`${ESCAPE}\\[\\d*[AJKm]|[\\n\\r]|[^\\n\\r${ESCAPE}]+`, "g");

/** A terminal of so many columns, which can be made narrower: what is written, and what can be seen by then. */
export function fakeTerminal(columns: number) {
  let width = columns;
  let written = "";
  /** Whole lines, as a terminal keeps them that breaks them anew for its width. */
  let lines: string[] = [""];
  /** Row on the screen. */
  let row = 0;

  const rowsOf = (line: string): number => Math.max(1, Math.ceil(Bun.stringWidth(line) / width));

  /** The line at the cursor. */
  function lineAt(): number {
    let rows = 0;
    for (const [index, line] of lines.entries()) {
      rows += rowsOf(line);
      if (row < rows) return index;
    }
    return lines.length - 1;
  }

  function take(token: string): void {
    if (token === "\n") {
      const line = lineAt();
      if (line === lines.length - 1) lines.push("");
      row = lines.slice(0, line + 1).reduce((rows, each) => rows + rowsOf(each), 0);
    } else if (token === "\u001b[A") row = Math.max(0, row - 1);
    else if (token === "\u001b[J") lines = [...lines.slice(0, lineAt()), ""];
    else if (token !== "\r" && token !== "\u001b[2K") lines[lineAt()] += token;
  }

  const terminal: Terminal = {
    columns: () => width,
    write(text) {
      written += text;
      for (const token of text.match(TOKEN) ?? []) take(token);
    },
  };
  return {
    terminal,
    written: () => written,
    screen: () => lines.join("\n"),
    resize: (columns: number): void => void (width = columns),
  };
}
