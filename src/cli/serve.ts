import { checkConfig, type Environment } from "../config.ts";
import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { openLog } from "../system/log.ts";
import { currentUser } from "../system/user.ts";
import { openKeyStore } from "../tokens/key-store.ts";

const STDOUT = 1;
const DEFAULT_TIME_ZONE = "America/Chicago";
const FLUSH_MS = 2_000;

/** Runs the daemon until a signal ends it. Resolves to the exit code: 0 after SIGTERM or SIGINT, 1 when it cannot start. */
export async function serve(env: Environment, version: string): Promise<number> {
  const checked = checkConfig(env, currentUser(env));
  const timeZone = "config" in checked ? checked.config.logTimeZone : DEFAULT_TIME_ZONE;
  const { log, flush } = openLog(STDOUT, { timeZone, now: Date.now });
  surviveFaults(log);
  try {
    if ("problems" in checked) throw allProblems(checked.problems, env, log);
    const daemon = startDaemon(checked.config, env, version, log);
    await stopOnSignal(daemon, log);
    return 0;
  } catch (error) {
    log.fatal(publicMessage(error), error instanceof DeployerError ? {} : { error });
    return 1;
  } finally {
    await flush(FLUSH_MS);
  }
}

/** Everything that is wrong in one message: nobody should have to start the daemon once per mistake. */
function allProblems(
  problems: { variable: string; line: string }[],
  env: Environment,
  log: Log,
): DeployerError {
  const lines = problems.map(({ line }) => line);
  const path = env["JWT_PUBLIC_KEY_PATH"];
  if (path) {
    try {
      openKeyStore({ path, log: { ...log, info() {} } });
    } catch (error) {
      lines.push(publicMessage(error));
    }
  }
  return new DeployerError("config", lines.join("\n"));
}

/** A fault in a timer or a forgotten promise must not take the deployment that runs beside it down. */
function surviveFaults(log: Log): void {
  process.on("uncaughtException", (error) => log.error("uncaught exception", { error }));
  process.on("unhandledRejection", (error) => log.error("unhandled rejection", { error }));
}

async function stopOnSignal(daemon: Daemon, log: Log): Promise<void> {
  const { promise: signalled, resolve } = Promise.withResolvers<string>();
  process.on("SIGTERM", resolve);
  process.on("SIGINT", resolve);
  // Without a handler these would kill the process; there is nothing to reload, files are re-read when they change.
  for (const harmless of ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const) process.on(harmless, () => undefined);
  log.info("stopping: no new requests, the running deployment is finished first", {
    signal: await signalled,
  });
  await daemon.stop();
  log.info("stopped");
}
