import { isAbsolute } from "node:path";

import { readIssuers } from "../access.ts";
import { checkConfig } from "../config.ts";
import { DeployerError, errorCode, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type CertificateFiles, judgeCertificate, readPair } from "../system/certificate.ts";
import { makeStateDir } from "../system/lock.ts";
import { makeRunDir } from "../system/run-dir.ts";
import { openLog } from "../system/log.ts";
import { silent } from "../system/silent-log.ts";
import { currentUser } from "../system/user.ts";
import { openKeyStore } from "../tokens/key-store.ts";
import { DEFAULT_TIME_ZONE, type Environment } from "../variables.ts";

const STDOUT = 1;
const FLUSH_MS = 2_000;

/** Runs the daemon until a signal ends it. Resolves to the exit code: 0 after SIGTERM or SIGINT, 1 when it cannot start. */
export async function serve(env: Environment, version: string): Promise<number> {
  const checked = checkConfig(env, currentUser(env));
  const timeZone = "config" in checked ? checked.config.logTimeZone : DEFAULT_TIME_ZONE;
  const { log, flush } = openLog(STDOUT, { timeZone, now: Date.now });
  surviveFaults(log);
  try {
    const problems = allProblems(checked, env);
    if ("problems" in checked || problems.length > 0) throw new DeployerError("config", problems.join("\n"));
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

/** Everything that is wrong: nobody should have to start the daemon once per mistake. */
function allProblems(checked: ReturnType<typeof checkConfig>, env: Environment): string[] {
  const keys = env["JWT_PUBLIC_KEY_PATH"];
  const stateDir = "config" in checked ? checked.config.stateDir : env["STATE_DIR"];
  return [
    ...("problems" in checked ? checked.problems.map(({ line }) => line) : []),
    ...(keys
      ? complaint(() => openKeyStore({ path: keys, setting: "JWT_PUBLIC_KEY_PATH", log: silent }))
      : []),
    ...("config" in checked && checked.config.tls !== undefined
      ? complaint(certificateOf(checked.config.tls))
      : []),
    ...(stateDir && isAbsolute(stateDir) ? complaint(() => makeStateDir(stateDir)) : []),
    ...("config" in checked ? complaint(() => readIssuers(checked.config, silent)) : []),
    ...("config" in checked ? complaint(() => makeRunDir(checked.config.runDir)) : []),
  ];
}

function certificateOf(files: CertificateFiles): () => unknown {
  return () => judgeCertificate(readPair(files), files, Date.now());
}

function complaint(look: () => unknown): string[] {
  try {
    look();
    return [];
  } catch (error) {
    if (errorCode(error) !== "config") throw error;
    return [publicMessage(error)];
  }
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
