import { DeployerError } from "../core/errors.ts";

/**
 * Runs a program in this terminal, with our own stdin, stdout and stderr, until it ends, however long that takes. It stays
 * in our process group, so Ctrl-C reaches it by itself; SIGTERM and SIGHUP are passed on.
 * @returns its exit code
 * Errors: `docker` when it cannot be started.
 */
export async function runInTerminal(
  argv: readonly string[],
  { env, cwd }: { env: Record<string, string | undefined>; cwd: string },
): Promise<number> {
  const child = spawn(argv, env, cwd);
  const passOn = (signal: NodeJS.Signals): void => child.kill(signal);
  const itsOwn = (): void => undefined;
  process.on("SIGTERM", passOn).on("SIGHUP", passOn).on("SIGINT", itsOwn).on("SIGQUIT", itsOwn);
  try {
    // 128 + the signal's number when one ended it, as a shell says it.
    return await child.exited;
  } finally {
    process.off("SIGTERM", passOn).off("SIGHUP", passOn).off("SIGINT", itsOwn).off("SIGQUIT", itsOwn);
  }
}

function spawn(argv: readonly string[], env: Record<string, string | undefined>, cwd: string) {
  try {
    return Bun.spawn([...argv], { env, cwd, stdin: "inherit", stdout: "inherit", stderr: "inherit" });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be started";
    throw new DeployerError("docker", `cannot run ${argv[0] ?? ""} in ${cwd}: ${code}`, { cause });
  }
}
