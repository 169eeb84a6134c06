import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { writeOutputs, writeSummary } from "./outputs.ts";

const folder = mkdtempSync(join(tmpdir(), "outputs-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("an output that wants to be another one is still itself", () => {
  const file = join(folder, "output");
  writeFileSync(file, "earlier=1\n");
  writeOutputs(
    { deployment: "d1\nstatus=succeeded\nEOF\nstatus<<EOF", status: "failed" },
    { GITHUB_OUTPUT: file },
  );
  const text = readFileSync(file, "utf8");
  const [, first, second] =
    /^earlier=1\ndeployment<<(.+)\nd1\nstatus=succeeded\nEOF\nstatus<<EOF\n\1\nstatus<<(.+)\nfailed\n\2\n$/.exec(
      text,
    ) ?? [];
  expect(first).toMatch(/^[0-9a-f-]{36}$/);
  expect(second).not.toBe(first);
});

test("without the runner's files nothing is written", () => {
  const before = readdirSync(folder);
  const cwd = process.cwd();
  process.chdir(folder);
  try {
    writeOutputs({ deployment: "d1" }, {});
    writeSummary("<p>", { GITHUB_STEP_SUMMARY: "" });
  } finally {
    process.chdir(cwd);
  }
  expect(readdirSync(folder)).toEqual(before);
});
