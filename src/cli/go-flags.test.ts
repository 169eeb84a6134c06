import { expect, test } from "bun:test";

import { describeFlags, parseGoFlags, wholeNumber } from "./go-flags.ts";

const FLAGS = {
  key: { default: "private.pem", help: "the key" },
  exp: { default: "300", help: "seconds", check: wholeNumber },
  token: { default: "", help: "the token" },
};
const defaults = { key: "private.pem", exp: "300", token: "" };

test.each([
  [[], {}],
  [["-key", "a"], { key: "a" }],
  [["--key", "a"], { key: "a" }],
  [["-key=a"], { key: "a" }],
  [["--key=a=b"], { key: "a=b" }],
  [["-key="], { key: "" }],
  [["-key", "a", "--key", "b"], { key: "b" }],
  [["-exp", "-5"], { exp: "-5" }],
  [["-exp=+5"], { exp: "+5" }],
  [["-token", "-key"], { token: "-key" }],
  [["-key", "a", "rest", "-exp", "5"], { key: "a" }],
  [["--", "-nosuch"], {}],
  [["-", "-nosuch"], {}],
  [["-key=a\nb"], { key: "a\nb" }],
])("%j is parsed as Go does", (args, values) => {
  expect(parseGoFlags(FLAGS, args)).toEqual({ kind: "values", values: { ...defaults, ...values } });
});

test.each([
  [["-foo"], "flag provided but not defined: -foo"],
  [["--foo=1", "-key", "a"], "flag provided but not defined: -foo"],
  [["--toString"], "flag provided but not defined: -toString"],
  [["-key"], "flag needs an argument: -key"],
  [["-exp", "abc"], 'invalid value "abc" for flag -exp: parse error'],
  [["-exp="], 'invalid value "" for flag -exp: parse error'],
  [["-exp", "1.5"], 'invalid value "1.5" for flag -exp: parse error'],
  [
    ["-exp", "99999999999999999999"],
    'invalid value "99999999999999999999" for flag -exp: value out of range',
  ],
  [["---key", "a"], "bad flag syntax: ---key"],
  [["--=a"], "bad flag syntax: --=a"],
  [["-=a"], "bad flag syntax: -=a"],
])("%j is refused in Go's words", (args, message) => {
  expect(parseGoFlags(FLAGS, args)).toEqual({ kind: "problem", message });
});

test.each(["-h", "-help", "--help", "--h"])("%s asks for help", (flag) => {
  expect(parseGoFlags(FLAGS, ["-key", "a", flag])).toEqual({ kind: "help" });
});

test("the description names every flag with its default", () => {
  expect(describeFlags(FLAGS)).toBe(
    "  --key\n    \tthe key (default private.pem)\n  --exp\n    \tseconds (default 300)\n  --token\n    \tthe token\n",
  );
});
