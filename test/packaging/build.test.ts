import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tool } from "./tool.ts";
import { ROOT } from "./workflow.ts";

const DEADLINE = 60_000;
const PROBE = `
declare const BUILD_VERSION: string, BUILD_DATE: string;
console.log(JSON.stringify({
  version: BUILD_VERSION,
  date: BUILD_DATE,
  node: process.env.NODE_ENV,
  execArgv: process.execArgv,
  calledAs: process.argv0,
  args: process.argv.slice(2),
  fromDotenv: process.env["FROM_DOTENV"] ?? null,
}));
function fail() { throw new Error("on purpose"); }
if (process.argv[2] === "fail") fail();
`;

const folder = mkdtempSync(join(tmpdir(), "build-"));
const probe = join(folder, "dist/probe");

beforeAll(() => {
  writeFileSync(join(folder, "entry.ts"), PROBE);
  const { exitCode, stderr } = build(
    "--entry",
    join(folder, "entry.ts"),
    "--outfile",
    probe,
    "--version",
    "v9.8.7",
  );
  if (exitCode !== 0) throw new Error(stderr.toString());
}, DEADLINE);

afterAll(() => rmSync(folder, { recursive: true }));

test("the build is one file with version, date and production mode in it", () => {
  expect(readdirSync(join(folder, "dist"))).toEqual(["probe"]);
  const said = JSON.parse(run([probe, "--help", "-v"]).stdout);
  expect(said).toMatchObject({
    version: "v9.8.7",
    node: "production",
    execArgv: ["--smol"],
    args: ["--help", "-v"],
  });
  expect(Date.now() - Date.parse(said.date)).toBeLessThan(10 * 60_000);
});

test("a .env and a bunfig.toml in the working directory are not read, and no code of theirs runs", () => {
  const cwd = mkdtempSync(join(folder, "cwd-"));
  writeFileSync(join(cwd, ".env"), "FROM_DOTENV=hijacked\n");
  writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  writeFileSync(join(cwd, "preload.ts"), 'console.log("hijacked");\n');

  const { stdout } = run([probe], cwd);

  expect(stdout).not.toContain("hijacked");
  expect(JSON.parse(stdout).fromDotenv).toBe(null);
});

test("the program knows by what name it was called, so that a link named jwt is the jwt tool", () => {
  symlinkSync(probe, join(folder, "jwt"));
  expect(JSON.parse(run([join(folder, "jwt")]).stdout).calledAs).toEndWith("jwt");
});

test("a stack names the source file and line", () => {
  expect(run([probe, "fail"]).stderr).toContain("entry.ts:12");
});

test.each([
  ["bun-linux-x64-baseline", "Advanced Micro Devices X86-64", "GLIBC_2.2.5"],
  ["bun-linux-arm64", "AArch64", "GLIBC_2.17"],
] as const)(
  "the release's build for %s is of that machine, and needs no newer glibc than Amazon Linux 2 has",
  (target, machine, some) => {
    const program = join(folder, target);
    const { exitCode, stderr } = build("--target", target, "--version", "v9.8.7", "--outfile", program);
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    expect(run([tool("readelf", "binutils"), "-hW", program]).stdout).toContain(machine);
    const needs = run([tool("readelf", "binutils"), "-VW", program]).stdout.matchAll(/GLIBC_([\d.]+)/g);
    const versions = new Set(Array.from(needs, ([name]) => name));
    expect(versions).toContain(some);
    expect([...versions].filter((name) => Bun.semver.order(semver(name), "2.26.0") > 0)).toEqual([]);
  },
  DEADLINE,
);

test("the baseline build runs here, and knows its version", () => {
  expect(run([join(folder, "bun-linux-x64-baseline"), "version"]).stdout).toContain("v9.8.7");
});

test("an unknown target is refused with the known ones", () => {
  const { exitCode, stderr } = build("--target", "bun-windows-x64");
  expect(exitCode).toBe(2);
  expect(stderr.toString()).toContain("bun-linux-x64-baseline, bun-linux-arm64");
});

/** "GLIBC_2.17" as "2.17.0" */
function semver(glibc: string): string {
  const [major = "0", minor = "0", patch = "0"] = glibc.replace("GLIBC_", "").split(".");
  return `${major}.${minor}.${patch}`;
}

function build(...args: string[]) {
  return Bun.spawnSync([process.execPath, "build.ts", ...args], { cwd: ROOT, timeout: DEADLINE });
}

function run(command: string[], cwd = "/"): { stdout: string; stderr: string } {
  const { stdout, stderr } = Bun.spawnSync(command, { cwd, env: {}, timeout: DEADLINE });
  return { stdout: stdout.toString(), stderr: stderr.toString() };
}
