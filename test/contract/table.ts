import { join } from "node:path";

/** One line of a table in responses.md: the text of each cell by its column's name. */
export type Row = Readonly<Record<string, string>>;

const FILE = join(import.meta.dir, "responses.md");
const CELL_BORDER = / *\| */;

/** The tables of responses.md in order. Errors: a line that looks like a table's but is none of its rows, so that none is dropped in silence. */
export async function readTables(): Promise<Row[][]> {
  const tables: Row[][] = [];
  let columns: string[] | undefined;
  let rows: Row[] = [];
  for (const [index, line] of (await Bun.file(FILE).text()).split("\n").entries()) {
    if (!line.includes("|")) {
      columns = undefined;
      continue;
    }
    const cells = cellsOf(line, index);
    if (columns === undefined) {
      columns = cells;
      rows = [];
      tables.push(rows);
    } else if (!cells.every((cell) => /^-+$/.test(cell))) {
      rows.push(rowOf(columns, cells, index));
    }
  }
  return tables;
}

/** The cell of a column, which must be there. */
export function cell(row: Row, column: string): string {
  const text = row[column];
  if (text === undefined) throw new Error(`the table has no column "${column}"`);
  return text;
}

/** Everything in backticks, in order. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, words = ""]) => words);
}

function cellsOf(line: string, index: number): string[] {
  const inner = /^\| (.*) ?\|$/.exec(line)?.[1] ?? /^\|(-.*)\|$/.exec(line)?.[1];
  if (inner === undefined) throw new Error(`responses.md, line ${index + 1}: not a row of a table`);
  return inner.trimEnd().split(CELL_BORDER);
}

function rowOf(columns: readonly string[], cells: readonly string[], index: number): Row {
  if (cells.length !== columns.length) {
    throw new Error(`responses.md, line ${index + 1}: ${cells.length} cells, not ${columns.length}`);
  }
  return Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? ""]));
}
