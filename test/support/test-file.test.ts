import { expect, test } from "bun:test";

import { countResults, failedTests } from "./test-file.ts";

const GREEN = "\n 3 pass\n 0 fail\n 7 expect() calls\nRan 3 tests across 1 file. [12.00ms]\n";

test("a green summary is counted as it says", () => {
  expect(countResults(GREEN, 0)).toEqual({ passed: 3, failed: 0 });
});

test("failed tests and errors between tests both count as failed", () => {
  const output = "\n 3 pass\n 2 fail\n 1 error\nRan 5 tests across 2 files. [12.00ms]\n";
  expect(countResults(output, 1)).toEqual({ passed: 3, failed: 3 });
});

test("a green summary of a process that failed counts as one failure", () => {
  expect(countResults(GREEN, 1)).toEqual({ passed: 3, failed: 1 });
});

test("a process without a summary counts as one failure, even when it claims success", () => {
  expect(countResults(" 3 pass\n", 0)).toEqual({ passed: 0, failed: 1 });
  expect(countResults("", 139)).toEqual({ passed: 0, failed: 1 });
});

test("failed tests are named once", () => {
  const output =
    "(pass) one [2.00ms]\n(fail) two > and a half [12.00ms]\n(fail) two > and a half [12.00ms]\n(fail) three\n";
  expect(failedTests(output)).toEqual(["two > and a half", "three"]);
});
