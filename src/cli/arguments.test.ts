import { expect, test } from "bun:test";

import { readArguments } from "./arguments.ts";

const OPTIONS = {
  json: { kind: "flag" },
  to: { kind: "value" },
  follow: { kind: "flag", short: "f" },
} as const;

function read(...args: string[]) {
  const { words, flags, values } = readArguments("rollback", args, OPTIONS, ["SERVICE", "[MORE]"]);
  return { words, flags: [...flags], values: Object.fromEntries(values) };
}

test("words and flags are found in any order", () => {
  expect(read("--json", "web", "--to", "d1")).toEqual({
    words: ["web"],
    flags: ["json"],
    values: { to: "d1" },
  });
  expect(read("web", "--to=d1", "-f")).toEqual({ words: ["web"], flags: ["follow"], values: { to: "d1" } });
  expect(read("--", "--json")).toEqual({ words: ["--json"], flags: [], values: {} });
});

test.each([
  [["web", "--nosuch=1"], 'unknown flag "--nosuch=1" of "rollback"'],
  [["web", "-x"], 'unknown flag "-x" of "rollback"'],
  [["web", "more", "again"], 'unknown argument "again" of "rollback"'],
  [["--json"], '"rollback" needs SERVICE'],
  [["web", "--to"], 'flag "--to" needs a value'],
  [["web", "--to="], 'flag "--to" needs a value'],
  [["web", "--to", "--json"], 'flag "--to" needs a value'],
  [["web", "--json=yes"], 'flag "--json" takes no value'],
])("%j is a mistake", (args, message) => {
  expect(() => read(...args)).toThrow(message);
});
