export type Result = { exitCode: number; stdout: string; stderr: string };

export type RunOptions = {
  env?: Record<string, string> | undefined;
  cwd?: string | undefined;
  stdin?: string | Uint8Array | undefined;
  /** Milliseconds until the whole process group is killed. */
  deadline?: number | undefined;
};

const DEFAULT_DEADLINE = 120_000;
const ERROR_LINES = 20;

/** What a child needs of our environment; everything else would make a test depend on who runs it. */
export const BASE_ENV: Readonly<Record<string, string>> = {
  PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  LANG: "C.UTF-8",
};

/** Runs a command to its end; a non-zero exit throws with the command and the end of what it said. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const result = await attempt(argv, options);
  if (result.exitCode !== 0) {
    const said = lastLines(result.stderr + result.stdout, ERROR_LINES);
    throw new Error(`${argv.join(" ")}: exit ${result.exitCode}\n${said}`);
  }
  return result;
}

/** As `run`, but a non-zero exit is a result; a killed command has exit code 137. */
export async function attempt(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  const child = Bun.spawn([...argv], {
    env: options.env ?? BASE_ENV,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin as string]),
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const timer = setTimeout(() => killGroup(child.pid), options.deadline ?? DEFAULT_DEADLINE);
  try {
    const [stdout, stderr, exitCode] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
    ]);
    return { exitCode, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a command of this name can be run. */
export function hasCommand(name: string): boolean {
  return Bun.which(name, { PATH: BASE_ENV["PATH"] ?? "" }) !== null;
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it ended by itself in this instant
  }
}
