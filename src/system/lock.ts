import { Database } from "bun:sqlite";
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { codeOf, whyUnusable } from "./folder-error.ts";

const LOCK = "lock";
/** RUN_DIR, by default: it may be made before the lock is taken. */
const RUN_DIR = "run";
/** Closing `/etc` or a home folder to everyone else would break the host. */
const NOT_OURS = "it holds files of somebody else; name a folder that is empty or does not exist yet";

/** A folder or file taken for this process alone; the kernel lets go of it however the process ends. */
export type Lock = { release(): void };

/**
 * One daemon per state folder. The lock is the kernel's (fcntl, by way of SQLite), so it ends with the process, `kill -9`
 * and power loss included, and never needs a person to remove it.
 * Errors: `config` when another process holds it, or the folder cannot be made or written.
 */
export function lockStateDir(stateDir: string): Lock {
  makeStateDir(stateDir);
  const lock = takeLock(stateDir);
  // Only for the message to whoever comes second.
  writeFileSync(pidFile(stateDir), `${process.pid}\n`, { mode: 0o600 });
  return lock;
}

/** Takes a file for this process alone, made if it is not there; undefined while another process has it. */
export function lockFile(path: string): Lock | undefined {
  let database: Database | undefined;
  try {
    database = new Database(path, { create: true });
    database.run("PRAGMA busy_timeout = 0");
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    database?.close();
    if (codeOf(cause) === "SQLITE_BUSY") return undefined;
    throw cause;
  }
  return { release: () => database.close() };
}

/** Makes STATE_DIR if it is not there, and closes it (0700) to everybody else. Errors: `config` for a folder that cannot be ours. */
export function makeStateDir(stateDir: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const others = readdirSync(stateDir).filter((name) => !name.startsWith(".") && name !== RUN_DIR);
    if (others.length > 0 && !others.includes(LOCK)) throw new Error(NOT_OURS);
    chmodSync(stateDir, 0o700);
  } catch (cause) {
    throw unusable(stateDir, cause);
  }
}

function takeLock(stateDir: string): Lock {
  let lock: Lock | undefined;
  try {
    lock = lockFile(join(stateDir, LOCK));
  } catch (cause) {
    throw unusable(stateDir, cause);
  }
  if (lock !== undefined) return lock;
  throw new DeployerError(
    "config",
    `another deployer-service is already using STATE_DIR ${stateDir}${holder(stateDir)}`,
  );
}

function unusable(stateDir: string, cause: unknown): DeployerError {
  return new DeployerError("config", `cannot use STATE_DIR ${stateDir}: ${whyUnusable(cause)}`, { cause });
}

function holder(stateDir: string): string {
  try {
    return ` (pid ${Number.parseInt(readFileSync(pidFile(stateDir), "utf8"), 10)})`;
  } catch {
    return "";
  }
}

function pidFile(stateDir: string): string {
  return join(stateDir, "pid");
}
