import { expect, test } from "bun:test";

import { changesSomething } from "./compose-words.ts";

test.each([
  "ps",
  "ps --all",
  "logs -f web",
  "--ansi never ps",
  "--profile up ps",
  "exec web rm -rf /tmp/x",
  "--help",
  "up --help",
])("%j waits for nothing", (line) => expect(changesSomething(line.split(" "))).toBe(false));

test.each([
  "up -d",
  "--profile ps up -d",
  "--progress=plain up",
  "down",
  "restart web",
  "run web",
  "nosuch",
  "--dry-run up",
])("%j has the project to itself", (line) => expect(changesSomething(line.split(" "))).toBe(true));

test.each([
  "-f other.yml ps",
  "--file=other.yml ps",
  "-fother.yml ps",
  "-p other ps",
  "--env-file x up",
  "--project-directory / ps",
])("%j is another project", (line) =>
  expect(() => changesSomething(line.split(" "))).toThrow("those of the daemon"),
);

test("flags of the command itself are its own", () => {
  expect(changesSomething(["logs", "-f", "web"])).toBe(false);
  expect(changesSomething(["rm", "-f", "web"])).toBe(true);
});
