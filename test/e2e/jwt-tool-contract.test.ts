import { afterAll, beforeAll, expect, test } from "bun:test";

import { JWT_CASES } from "../contract/jwt-cases.ts";
import { type JwtWorld, startJwtWorld } from "../contract/jwt-world.ts";
import { cell, quoted, readTables, type Row } from "../contract/table.ts";

const rows = (await readTables())[2] ?? [];

let world: JwtWorld;

beforeAll(async () => {
  world = await startJwtWorld();
});

afterAll(() => world[Symbol.dispose]());

test("every row of the jwt tool's table has its calls, and every call its row", () => {
  expect(rows.length).toBeGreaterThanOrEqual(20);
  expect(Object.keys(JWT_CASES).toSorted()).toEqual(rows.map((row) => cell(row, "command")).toSorted());
});

for (const row of rows) {
  test(`jwt: ${cell(row, "command")} answers as the table says`, async () => {
    const given = JWT_CASES[cell(row, "command")];
    if (given === undefined) throw new Error("no calls for this row");
    const env = typeof given.env === "function" ? given.env(world) : given.env;
    for (const call of given.calls) {
      const result = await world.jwt(typeof call === "function" ? await call(world) : call, env);
      expect(result).toMatchObject({ exitCode: exitCodeOf(row) });
      if (given.output === undefined) expect(result).toMatchObject(quotedOutput(row));
      else await given.output(result, world);
    }
  });
}

function exitCodeOf(row: Row): number {
  const ours = /exit (\d)/.exec(cell(row, "ours"))?.[1];
  return Number(ours ?? cell(row, "exit"));
}

/** The one message that a row quotes, on stderr with nothing around it. */
function quotedOutput(row: Row): { stdout: string; stderr: string } {
  const [message, ...more] = quoted(cell(row, "output"));
  if (message === undefined || more.length > 0) throw new Error("the row does not quote one message");
  return { stdout: "", stderr: `${message}\n` };
}
