import { describe, expect, test } from "bun:test";

import { assertInOrder, type Guard, parseRun } from "./order.ts";

const WORKFLOW = "123456/.github/workflows/deploy.yml";
const run = (number: number, attempt = 1) => ({ workflow: WORKFLOW, number, attempt });
const guard = (number: number, attempt = 1): Guard => ({ run: run(number, attempt), deployment: "d7" });

describe("the run of a payload", () => {
  test("is read, its attempt 1 when it is not given", () => {
    expect(parseRun(run(41, 2))).toEqual(run(41, 2));
    expect(parseRun({ workflow: WORKFLOW, number: 41 })).toEqual(run(41));
  });

  test.each<[unknown, string]>([
    [41, 'run: must be {"workflow": text, "number": 41, "attempt": 1}'],
    [[], 'run: must be {"workflow": text, "number": 41, "attempt": 1}'],
    [{ number: 41 }, "run: workflow must be a string"],
    [{ ...run(41), workflow: 7 }, "run: workflow must be a string"],
    [{ ...run(41), workflow: "" }, "run: workflow must not be empty"],
    [{ ...run(41), workflow: "x".repeat(513) }, "run: workflow must be at most 512 characters"],
    [{ workflow: WORKFLOW }, "run: number must be a positive integer"],
    [{ ...run(41), number: "41" }, "run: number must be a positive integer"],
    [run(0), "run: number must be a positive integer"],
    [run(-1), "run: number must be a positive integer"],
    [run(4.5), "run: number must be a positive integer"],
    [run(2 ** 53), "run: number must be a positive integer"],
    [run(41, 0), "run: attempt must be a positive integer"],
    [{ ...run(41), attempt: null }, "run: attempt must be a positive integer"],
    [{ ...run(41), Attempt: 2 }, 'run: unknown key "Attempt"'],
  ])("is refused when it is %j", (value, message) => {
    expect(() => parseRun(value)).toThrow(expect.objectContaining({ code: "invalid", message }));
  });
});

describe("the guard", () => {
  test.each([
    ["the first run of a workflow", run(41), undefined],
    ["a higher number", run(42), guard(41, 3)],
    ["a higher attempt of the same number", run(41, 2), guard(41)],
    ["the same run again", run(41, 2), guard(41, 2)],
  ])("lets %s pass and moves to it", (_, asked, newest) => {
    expect(assertInOrder(asked, newest, { force: false })).toBe(true);
    expect(assertInOrder(asked, newest, { force: true })).toBe(true);
  });

  test.each([
    [run(40, 9), guard(41), "run 40 is older than 41"],
    [run(41), guard(41, 2), "attempt 1 of run 41 is older than attempt 2"],
  ])("refuses an older one: %j", (asked, newest, words) => {
    expect(() => assertInOrder(asked, newest, { force: false })).toThrow(
      expect.objectContaining({
        code: "superseded",
        message: `superseded by d7\n${words}; use rollback or "force": true`,
      }),
    );
  });

  test("lets an older one pass that is forced, and stays where it is", () => {
    expect(assertInOrder(run(40), guard(41), { force: true })).toBe(false);
  });
});
