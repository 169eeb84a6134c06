import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../../test/fakes/log.ts";
import { openRulesFile } from "./rules-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rules-file-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const rulesOf = (name: string) =>
  `issuers:\n  - name: ${name}\n    public_key: /ci.pem\n    rules: [{ deploy: [web] }]\n`;

function scene({ isRequired = true } = {}) {
  const path = join(folder, "rules.yml");
  const log = fakeLog();
  const changes: string[][] = [];
  let time = 0;
  let keyProblem: Error | undefined;
  let noteProblem: Error | undefined;
  return {
    path,
    log,
    changes,
    write: (text: string) => writeFileSync(path, text),
    breakKeys: (error: Error | undefined) => void (keyProblem = error),
    breakNotes: (error: Error | undefined) => void (noteProblem = error),
    later: () => void (time += 1000),
    open: () =>
      openRulesFile({
        path,
        isRequired,
        log,
        now: () => time,
        onChange: (issuers) => {
          if (noteProblem !== undefined) throw noteProblem;
          changes.push(issuers.map(({ name }) => name));
        },
        keysAt: (keyFile) => {
          if (keyProblem !== undefined) throw keyProblem;
          return [{ fingerprint: keyFile }];
        },
      }),
    said: () => log.lines.map(({ level, message }) => `${level}: ${message}`),
  };
}

const names = (file: ReturnType<typeof openRulesFile>) => file.issuers()?.map(({ name }) => name);

test("a change counts within a second, without a restart", () => {
  const here = scene();
  here.write(rulesOf("one"));
  const file = here.open();
  expect(names(file)).toEqual(["one"]);
  here.write(rulesOf("two"));
  expect(names(file)).toEqual(["one"]);
  here.later();
  expect(names(file)).toEqual(["two"]);
  expect(here.changes).toEqual([["one"], ["two"]]);
  expect(here.said()).toEqual(["info: rules loaded", "info: rules loaded"]);
});

test("rules that cannot be noted do not count, and are tried again until they can be", () => {
  const here = scene();
  here.write(rulesOf("one"));
  const file = here.open();
  here.write(rulesOf("two"));
  here.breakNotes(new Error("disk full"));
  for (let n = 0; n < 3; n++) {
    here.later();
    expect(names(file)).toEqual(["one"]);
  }
  here.breakNotes(undefined);
  here.later();
  expect(names(file)).toEqual(["two"]);
  expect(here.changes).toEqual([["one"], ["two"]]);
});

const BAD: [what: string, harm: (here: ReturnType<typeof scene>) => void, problem: RegExp][] = [
  ["gone", ({ path }) => rmSync(path), /there is no such file/],
  ["empty", ({ write }) => write(""), /:1: issuers: must be a list/],
  ["no YAML", ({ write }) => write("issuers: ["), /:1: Flow/],
  ["wrong", ({ write }) => write(rulesOf("host")), /:2: issuers\[1\]\.name/],
  ["a folder", ({ path }) => (rmSync(path), mkdirSync(path)), /it is not a file/],
  ["huge", ({ write }) => write(`${rulesOf("one")}#${" ".repeat(300 * 1024)}`), /larger than 256 KiB/],
];
test.each(BAD)("while it is %s the old rules stay, and that is said once", (_, harm, problem) => {
  const here = scene();
  here.write(rulesOf("one"));
  const file = here.open();
  harm(here);
  for (let n = 0; n < 3; n++) {
    here.later();
    expect(names(file)).toEqual(["one"]);
  }
  expect(here.log.lines.slice(1)).toEqual([
    {
      level: "error",
      message: "the rules cannot be used; those from before stay",
      fields: expect.objectContaining({ path: here.path, problem: expect.stringMatching(problem) }),
    },
  ]);
  rmSync(here.path, { recursive: true, force: true });
  here.write(rulesOf("one"));
  here.later();
  expect(names(file)).toEqual(["one"]);
  expect(here.said().at(-1)).toBe("info: the rules can be read again");
});

test.each(BAD)("one that is %s at the start is refused", (_, harm, problem) => {
  const here = scene();
  here.write(rulesOf("one"));
  harm(here);
  expect(here.open).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(problem) }),
  );
});

test("one that need not be there counts from when it is", () => {
  const here = scene({ isRequired: false });
  const file = here.open();
  expect(file.issuers()).toBeUndefined();
  here.write("issuers: [");
  here.later();
  expect(file.issuers()).toBeUndefined();
  expect(here.said()).toEqual(["error: the rules cannot be used, and do not count yet"]);
  here.write(rulesOf("one"));
  here.later();
  expect(names(file)).toEqual(["one"]);
  rmSync(here.path);
  here.later();
  expect(names(file)).toEqual(["one"]);
  expect(here.changes).toEqual([["one"]]);
});

test("one whose folder cannot be looked into is refused at the start, and changes nothing later", () => {
  const here = scene({ isRequired: false });
  const file = here.open();
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "");
  here.later();
  expect(file.issuers()).toBeUndefined();
  expect(here.said()).toEqual(["error: the rules cannot be used, and do not count yet"]);
  expect(here.open).toThrow(
    expect.objectContaining({
      code: "config",
      message: expect.stringMatching(/rules\.yml: it cannot be read/),
    }),
  );
});

test("rules that name a key which cannot be used are taken when it can be", () => {
  const here = scene();
  here.write(rulesOf("one"));
  const file = here.open();
  here.write(rulesOf("two"));
  here.breakKeys(new Error("a fault of ours"));
  here.later();
  expect(names(file)).toEqual(["one"]);
  here.breakKeys(undefined);
  here.later();
  expect(names(file)).toEqual(["two"]);
});
