import { expect, test } from "bun:test";

import { refusedStart } from "../contract/refused-start.ts";
import { cell, quoted, readTables, type Row } from "../contract/table.ts";

const rows = (await readTables())[1] ?? [];

/** By the text of the column `case`: what is started, and what its message must hold. */
const CASES: Readonly<Record<string, (row: Row) => Promise<void>>> = {
  "JWT_PUBLIC_KEY_PATH unset": (row) => isRefusedWithout("JWT_PUBLIC_KEY_PATH", row),
  "DOCKER_COMPOSE_FILE unset": (row) => isRefusedWithout("DOCKER_COMPOSE_FILE", row),
  "AWS_REGION unset": (row) => isRefusedWithout("AWS_REGION", row),
  "ECR_DOMAIN unset": (row) => isRefusedWithout("ECR_DOMAIN", row),
  "DEBUG_MODE unset": (row) => isRefusedWithout("DEBUG_MODE", row),
  async "DEBUG_MODE neither `true` nor `false`"(row) {
    for (const DEBUG_MODE of ["yes", "TRUE", "1", " true"]) {
      expect(await refusedStart({ env: { DEBUG_MODE } })).toBe(originalLine(row));
    }
  },
  async "port taken"() {
    using taken = Bun.serve({ port: 0, fetch: () => new Response("mine") });
    expect(await refusedStart({ env: { PORT: String(taken.port) } })).toBe(
      `cannot listen on :${taken.port}: the port is already in use`,
    );
  },
};

test("every row of the start table has its case, and every case its row", () => {
  expect(rows.length).toBeGreaterThanOrEqual(7);
  expect(Object.keys(CASES).toSorted()).toEqual(rows.map((row) => cell(row, "case")).toSorted());
});

for (const row of rows) {
  test(`${cell(row, "case")} ends the start as the table says`, async () => {
    const check = CASES[cell(row, "case")];
    if (check === undefined) throw new Error("no case for this row");
    expect([cell(row, "exit"), cell(row, "ours")]).toEqual(["1", ""]);
    await check(row);
  });
}

async function isRefusedWithout(variable: string, row: Row): Promise<void> {
  expect(await refusedStart({ env: { [variable]: "" } })).toBe(originalLine(row).replace("…", variable));
}

function originalLine(row: Row): string {
  const [line] = quoted(cell(row, "original"));
  if (line === undefined) throw new Error("the row quotes no line");
  return line;
}
