import { expect, test } from "bun:test";

import { inert, inertLines } from "./inert.ts";

test.each([
  ["an error", "an error"],
  ["a\tb\r\nc", "a b c"],
  ["\u001b[31mred\u001b[0m \u001b]0;title\u0007text", "red text"],
  ["bell\u0007, null\u0000, next line\u0085", "bell, null, next line"],
  ["user\u202etxt.exe", "usertxt.exe"],
  ["##[error]no", "## [error]no"],
  ["in the ##[add-mask]middle", "in the ## [add-mask]middle"],
  ["###[group]", "### [group]"],
  ["#\u0000#\u001b[1m[error]x", "## [error]x"],
  ["größer 👩‍🚀 100 %", "größer 👩‍🚀 100 %"],
])("%j is harmless as %j", (text, line) => {
  expect(inert(text)).toBe(line);
});

test("a line of a megabyte is cut, also where it would split a character", () => {
  expect(inert("a".repeat(1_000_000))).toBe(`${"a".repeat(2_000)}…`);
  expect(inert(`${"a".repeat(1_999)}${"🙂".repeat(500_000)}`)).toBe(`${"a".repeat(1_999)}\ufffd…`);
});

test("lines are told apart however they end", () => {
  expect(inertLines("one\ntwo\r\nthree\rfour\n\n \n")).toEqual(["one", "two", "three", "four"]);
});
