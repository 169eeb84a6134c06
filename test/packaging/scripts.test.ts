import { expect, test } from "bun:test";
import { join } from "node:path";

import { tool } from "./tool.ts";
import { ROOT, stepsOf, WORKFLOWS } from "./workflow.ts";

const DEADLINE = 30_000;
const SCRIPTS = [".ci/run", "aws/user_data.sh", "bin/latest.sh", "bin/upgrade.sh"];

test.each(SCRIPTS)(
  "%s passes shellcheck",
  (path) => {
    expect(shellcheck(Bun.file(join(ROOT, path)))).toBe("");
  },
  DEADLINE,
);

test.each(WORKFLOWS)(
  "the scripts in %s pass shellcheck",
  async (path) => {
    const scripts = (await stepsOf(path)).flatMap((step) => (step.run === undefined ? [] : [step.run]));
    expect(scripts).not.toEqual([]);
    for (const script of scripts) expect(shellcheck(Buffer.from(`set -eo pipefail\n${script}`))).toBe("");
  },
  DEADLINE,
);

test("latest.sh prints the newest tag as versions go, a release above its pre-releases", () => {
  const git = (...args: string[]) => Bun.spawnSync(["git", ...args], { cwd: folder });
  const latest = () =>
    Bun.spawnSync(["bash", join(ROOT, "bin/latest.sh")], { cwd: folder }).stdout.toString();
  const folder = Bun.spawnSync(["mktemp", "-d"]).stdout.toString().trim();
  try {
    git("init", "--quiet");
    git(
      "-c",
      "user.name=n",
      "-c",
      "user.email=e@example.com",
      "commit",
      "--quiet",
      "--allow-empty",
      "-m",
      "m",
    );
    expect(latest()).toBe("Latest tag: \n");
    for (const tag of ["v0.0.9", "v0.0.14", "v0.1.0-rc1", "v0.1.0"]) git("tag", tag);
    expect(latest()).toBe("Latest tag: v0.1.0\n");
  } finally {
    Bun.spawnSync(["rm", "-rf", folder]);
  }
});

function shellcheck(script: Blob | Buffer): string {
  const { stdout } = Bun.spawnSync([tool("shellcheck", "shellcheck"), "--shell=bash", "-"], {
    stdin: script instanceof Blob ? Bun.file((script as Bun.BunFile).name ?? "") : script,
  });
  return stdout.toString();
}
