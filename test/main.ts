import { existsSync } from "node:fs";

import { composeVersion } from "./support/compose-plugin.ts";
import { engineVersion } from "./support/docker-client.ts";
import { type PrivateDocker, startDocker } from "./support/docker.ts";
import { ensureMachine } from "./support/machine.ts";
import { type RunningRegistry, startRegistry } from "./support/registry.ts";
import { attempt, run } from "./support/run.ts";
import { STAGE_VARIABLES } from "./support/stage.ts";
import { type Counts, endTests, runTests, type TestRun } from "./support/test-file.ts";

/** `npm test [-- PART…]`: unit tests, then end-to-end tests on a real Docker; only files whose path has one of the parts. */

const UNIT_TIMEOUT = 20_000;
const E2E_TIMEOUT = 120_000;
/** End-to-end files at a time; each has projects, ports and folders of its own. */
const BUSY_PROCESSES = 3;
/** Those that mostly wait for deadlines, retries and drains to pass: one at a time, beside the others. */
const IDLE = [
  "stop-late",
  "registry-cut",
  "runtime-traps-waiting",
  "runtime-traps-surroundings",
  "attacks-connections",
  "host-commands",
  "demo",
  "edge-load",
];
/** The longest, begun first: none of them is left to run alone at the end. */
const LONG = ["kill-rolling", "kill-recreate", "faults-operator", "failed-deploy", "compose-up", "ungated"];
/** How often dockerd tries a layer again: once costs a hopeless pull 5 s, its usual five times 75 s. */
const DOWNLOAD_ATTEMPTS = 1;
/** So many files at most: more is no matter of load. */
const JUDGED_ALONE = 5;
const BUILD_SCRIPT = "build.ts";
const BINARY = `${process.cwd()}/.test/deployer-service`;
/** What the original's recorded replies have. */
const VERSION = "v1.2.3";

const cleanups: (() => Promise<unknown>)[] = [];
const total: Counts = { passed: 0, failed: 0 };
/** Told again at the end, where the last lines of a long log are all that is read. */
const failures: string[] = [];
const interruption = new AbortController();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    interruption.abort();
    say(`${signal}: cleaning up`);
    void endTests();
  });
}

const parts = process.argv.slice(2);
const unit = ["src", "action", "test/support"].flatMap(testFiles);
const e2e = testFiles("test").filter((file) => !unit.includes(file));

try {
  if (unit.length + e2e.length === 0) fail(`no test file has ${parts.join(" or ")} in its path`);
  // These keep a core busy; the set-up waits for packages and disks, and the first end-to-end tests mostly for time to pass.
  const unitTests = runUnitTests();
  const ready = e2e.length > 0 ? setUp() : undefined;
  await Promise.all([unitTests, ready?.then((env) => runEndToEndTests(env, unitTests))]);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
} finally {
  for (const cleanup of cleanups.toReversed()) await cleanup().catch((error: unknown) => fail(String(error)));
}
if (interruption.signal.aborted) fail("interrupted");
for (const failure of failures) say(`failed: ${failure}`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exit(total.failed === 0 ? 0 : 1);

async function runUnitTests(): Promise<void> {
  if (unit.length === 0) return;
  const result = await runTests(unit, { timeout: UNIT_TIMEOUT });
  process.stdout.write(result.output);
  say(`unit tests: ${result.passed} passed, ${result.failed} failed in ${seconds(result.milliseconds)}`);
  add(result, "unit tests");
}

async function runEndToEndTests(env: Record<string, string>, unitTests: Promise<void>): Promise<void> {
  const idle = named(IDLE);
  const long = named(LONG);
  const busy = [...long, ...e2e.filter((file) => !idle.includes(file) && !long.includes(file))];
  const failed: { file: string; result: TestRun }[] = [];
  async function work(files: string[]): Promise<void> {
    for (let file = files.shift(); file !== undefined && !interruption.signal.aborted; file = files.shift()) {
      const result = await runTests([file], { env, timeout: E2E_TIMEOUT });
      process.stdout.write(result.output);
      say(`${file}: ${result.passed} passed, ${result.failed} failed in ${seconds(result.milliseconds)}`);
      if (result.failed === 0) add(result, file);
      else failed.push({ file, result });
    }
  }
  const whenQuiet = unitTests.then(() =>
    Promise.all(Array.from({ length: BUSY_PROCESSES }, () => work(busy))),
  );
  await Promise.all([work(idle), whenQuiet]);
  const areFew = failed.length <= JUDGED_ALONE;
  for (const { file, result } of failed)
    add(areFew && !interruption.signal.aborted ? await judgeAlone(file, env) : result, file);
}

function named(names: readonly string[]): string[] {
  return names.flatMap((name) => e2e.filter((file) => file.endsWith(`/${name}.test.ts`)));
}

/**
 * Deadlines that the program promises mean little while other tests keep the machine busy: a file that failed is judged
 * again with nothing beside it, and both results are told. What fails there has failed.
 */
async function judgeAlone(file: string, env: Record<string, string>): Promise<TestRun> {
  say(`${file} failed beside others; once more, alone`);
  const result = await runTests([file], { env, timeout: E2E_TIMEOUT });
  process.stdout.write(result.output);
  say(`${file}, alone: ${result.passed} passed, ${result.failed} failed in ${seconds(result.milliseconds)}`);
  return result;
}

async function setUp(): Promise<Record<string, string>> {
  await step("the machine has what it needs", () => ensureMachine(say));
  if (existsSync(BUILD_SCRIPT)) {
    const argv = [process.execPath, BUILD_SCRIPT, "--outfile", BINARY, "--version", VERSION];
    await step("the program is built", () =>
      run(argv, { env: { ...process.env } as Record<string, string> }),
    );
  }
  const docker: PrivateDocker = await step("a private Docker is up", () =>
    startDocker({ maxDownloadAttempts: DOWNLOAD_ATTEMPTS }),
  );
  cleanups.push(() => docker.stop());
  const registry: RunningRegistry = await step("a registry is up", () => startRegistry());
  cleanups.push(() => registry.stop());
  const registryVersion = (await attempt(["docker-registry", "--version"])).stdout.trim().split(" ").at(-1);
  const engine = await engineVersion(docker);
  say(
    `Docker ${engine.version} (API ${engine.apiVersion}), Compose ${await composeVersion()}, registry ${registryVersion}, Bun ${Bun.version}`,
  );
  return {
    [STAGE_VARIABLES.dockerHost]: docker.host,
    [STAGE_VARIABLES.registry]: registry.address,
    [STAGE_VARIABLES.binary]: BINARY,
  };
}

async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  say(`${what} (${seconds(performance.now() - started)})`);
  return result;
}

function testFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return [...new Bun.Glob(`${folder}/**/*.test.{ts,tsx}`).scanSync(".")]
    .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
    .toSorted();
}

function add(result: TestRun, where: string): void {
  total.passed += result.passed;
  total.failed += result.failed;
  const names = result.failures.length > 0 ? result.failures : ["a process that ended without a result"];
  if (result.failed > 0) failures.push(...names.map((name) => `${where}: ${name}`));
}

function fail(message: string): void {
  say(message);
  total.failed++;
}

function say(line: string): void {
  process.stderr.write(`test: ${line}\n`);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
