import { closeSync, openSync } from "node:fs";

import { BASE_ENV } from "./run.ts";

export type TiedOptions = {
  env?: Record<string, string>;
  cwd?: string;
  /** A file that stdout and stderr are added to. */
  log: string;
};

/** How long a process may take to obey SIGTERM before `endProcess` kills it. */
const STOP_DEADLINE = 30_000;

/**
 * Argv that starts `argv` in such a way that the kernel ends it when the process that started it is gone, however that
 * came about: a killed test run leaves no daemon behind. `setpriv` (util-linux) replaces itself, so the pid is the program's.
 */
export function tied(argv: readonly string[]): string[] {
  return ["setpriv", "--pdeathsig", "TERM", ...argv];
}

/** Starts a background process, in its own session so that Ctrl-C in the terminal reaches only the one that cleans up. */
export function startTied(argv: readonly string[], options: TiedOptions): Bun.Subprocess {
  const log = openSync(options.log, "a");
  try {
    return spawn(argv, options, log);
  } finally {
    closeSync(log);
  }
}

function spawn(argv: readonly string[], options: TiedOptions, log: number): Bun.Subprocess {
  return Bun.spawn(tied(argv), {
    env: options.env ?? BASE_ENV,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "ignore",
    stdout: log,
    stderr: log,
    detached: true,
  });
}

/** SIGTERM, then SIGKILL after a grace; returns when the process is gone. */
export async function endProcess(child: Bun.Subprocess, deadline: number = STOP_DEADLINE): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), deadline);
  await child.exited;
  clearTimeout(timer);
}
