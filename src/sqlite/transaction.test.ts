import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";

import { transaction } from "./transaction.ts";

test("a change that throws leaves nothing behind, one that does not is kept, and answers", () => {
  using database = new Database(":memory:", { strict: true });
  database.run("CREATE TABLE rows (value INTEGER)");
  const add = transaction(database, (value: number, isGood: boolean) => {
    database.run("INSERT INTO rows VALUES (?)", [value]);
    if (!isGood) throw new Error("not this one");
    return value;
  });
  expect(add(1, true)).toBe(1);
  expect(() => add(2, false)).toThrow("not this one");
  expect(database.query("SELECT value FROM rows").values()).toEqual([[1]]);
});

test("a change that awaits does not compile", () => {
  using database = new Database(":memory:", { strict: true });
  // @ts-expect-error It would be committed at the first await.
  transaction(database, async () => await Promise.resolve());
});
