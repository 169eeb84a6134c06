import { stripVTControlCharacters } from "node:util";

import { tied } from "./tied-process.ts";

export type Counts = { passed: number; failed: number };

/** `failures`: the tests that failed, by name. */
export type TestRun = Counts & { output: string; failures: string[]; milliseconds: number };

/** How long one `bun test` process may take. */
const PROCESS_DEADLINE = 15 * 60_000;
const KILL_GRACE = 5_000;
/** Tests of one file at a time: with more, what the program promises within seconds is kept waiting by other tests. */
const TESTS_AT_A_TIME = 8;

const running = new Set<Bun.Subprocess>();

/** Runs `bun test` over some files in a process of its own. */
export async function runTests(
  files: readonly string[],
  options: { env?: Record<string, string>; timeout: number },
): Promise<TestRun> {
  const started = performance.now();
  const child = Bun.spawn(
    tied([
      process.execPath,
      "test",
      `--timeout=${options.timeout}`,
      `--max-concurrency=${TESTS_AT_A_TIME}`,
      ...files.map((file) => `./${file}`),
    ]),
    {
      env: { ...process.env, ...options.env, FORCE_COLOR: "0" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true,
    },
  );
  running.add(child);
  const timer = setTimeout(() => child.kill("SIGKILL"), PROCESS_DEADLINE);
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  clearTimeout(timer);
  running.delete(child);
  const output = stripVTControlCharacters(stderr + stdout);
  return {
    ...countResults(output, exitCode),
    output,
    failures: failedTests(output),
    milliseconds: performance.now() - started,
  };
}

/** Ends every test process; what they started is tied to them and follows. */
export async function endTests(): Promise<void> {
  for (const child of running) child.kill("SIGTERM");
  const timer = setTimeout(() => {
    for (const child of running) child.kill("SIGKILL");
  }, KILL_GRACE);
  await Promise.all([...running].map((child) => child.exited));
  clearTimeout(timer);
}

/**
 * Reads bun's closing summary (` 3 pass`, ` 1 fail`, ` 1 error`). A process that failed without a failed test, or whose
 * summary cannot be read, counts as one failed test: nothing may pass by not being counted.
 */
export function countResults(output: string, exitCode: number): Counts {
  const summary = /^Ran \d+ tests? across \d+ files?\./m.test(output);
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}s?$`, "m").exec(output)?.[1] ?? "0");
  if (!summary) return { passed: 0, failed: 1 };
  const failed = count("fail") + count("error");
  return { passed: count("pass"), failed: failed === 0 && exitCode !== 0 ? 1 : failed };
}

/** The names of the tests that failed; bun may print each twice. */
export function failedTests(output: string): string[] {
  return [
    ...new Set([...output.matchAll(/^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/gm)].map(([, name = ""]) => name)),
  ];
}
