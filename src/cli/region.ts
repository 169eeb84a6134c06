/** What a display needs of a terminal. */
export type Terminal = {
  /** How wide it is now. */
  columns: () => number;
  write: (text: string) => void;
};

const CLEAR_LINE = "\u001b[2K";
const UP = "\u001b[A";
const CLEAR_BELOW = "\u001b[J";

/**
 * The last lines of a terminal, redrawn in place; what is above them stays and scrolls away. Each is cut to the width, so
 * that it is one row; a terminal made narrower since has broken it into several.
 */
export class Region {
  readonly #terminal: Terminal;
  /** Of each line that is shown. */
  #widths: number[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /**
   * Shows `lines` in place of those before.
   * @param above whole lines, which stay
   */
  show(lines: readonly string[], above = ""): void {
    // In the last column terminals differ about where the cursor is, and Bun lets a wide character stand out by one.
    const room = Math.max(1, this.#terminal.columns() - 2);
    const shown = lines.map((line) => Bun.sliceAnsi(line, 0, room, { ellipsis: "…" }));
    this.#terminal.write(`${this.#clearing()}${above}${shown.map((line) => `${line}\n`).join("")}`);
    this.#widths = shown.map((line) => Bun.stringWidth(line));
  }

  #clearing(): string {
    const columns = Math.max(1, this.#terminal.columns());
    const rows = this.#widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return rows === 0 ? "" : `${`${UP}${CLEAR_LINE}`.repeat(rows)}\r${CLEAR_BELOW}`;
  }
}
