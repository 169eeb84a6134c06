import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { whyUnusable } from "./folder-error.ts";
import { type Lock, lockFile } from "./lock.ts";

/** Name of the socket in RUN_DIR. */
export const CONTROL_SOCKET = "control.sock";
const LOCK = "control.lock";
/** unix(7): `sun_path` holds 108 bytes, the last one is a NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Who is in it is root by way of Docker anyway. */
const GROUP = "docker";
const GROUPS_FILE = "/etc/group";

/** RUN_DIR, taken for this process, with room for its socket. */
export type RunDir = {
  /** Absolute; nothing is there yet. */
  socket: string;
  /** Lets those in who may use the socket, once it is there. */
  open(): void;
  release(): void;
};

/**
 * Makes RUN_DIR if it is not there, closes it to everybody but this user and the group docker, and removes the socket
 * that a killed daemon has left. Where there is no such group, or this user may not give files to it, it is closed to
 * everybody else: another group is not trusted with what comes close to root.
 * Errors: `config` when another daemon uses it, it cannot be ours, or its path is too long for a socket.
 */
export function openRunDir(runDir: string, groupsFile: string = GROUPS_FILE): RunDir {
  makeRunDir(runDir);
  const socket = join(runDir, CONTROL_SOCKET);
  const lock = take(runDir);
  try {
    rmSync(socket, { force: true });
    const isShared = giveToGroup(runDir, groupsFile);
    chmodSync(runDir, isShared ? 0o750 : 0o700);
    return {
      socket,
      open() {
        chmodSync(socket, giveToGroup(socket, groupsFile) && isShared ? 0o660 : 0o600);
      },
      release() {
        rmSync(socket, { force: true });
        lock.release();
      },
    };
  } catch (cause) {
    lock.release();
    throw unusable(runDir, whyUnusable(cause), cause);
  }
}

/** Makes RUN_DIR if it is not there. Errors: `config` for a folder that cannot be ours. */
export function makeRunDir(runDir: string): void {
  if (Buffer.byteLength(join(runDir, CONTROL_SOCKET)) > MAX_SOCKET_PATH_BYTES) {
    throw unusable(
      runDir,
      `the path of ${CONTROL_SOCKET} in it is longer than the ${MAX_SOCKET_PATH_BYTES} bytes that a socket may have; name a shorter one`,
    );
  }
  try {
    mkdirSync(dirname(runDir), { recursive: true });
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    assertOurs(runDir);
  } catch (cause) {
    throw cause instanceof DeployerError ? cause : unusable(runDir, whyUnusable(cause), cause);
  }
}

/** Changing the rights of `/run` or of a home folder would break the host. */
function assertOurs(runDir: string): void {
  const owner = statSync(runDir).uid;
  if (owner !== process.getuid?.())
    throw unusable(runDir, `it belongs to user ${owner}; it must belong to the user who runs the daemon`);
  const others = readdirSync(runDir).filter((name) => name !== CONTROL_SOCKET && !name.startsWith(LOCK));
  if (others.length > 0)
    throw unusable(
      runDir,
      "it holds files of somebody else; name a folder that is empty or does not exist yet",
    );
  const there = lstatSync(join(runDir, CONTROL_SOCKET), { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket())
    throw unusable(runDir, `${CONTROL_SOCKET} in it is no socket`);
}

/** With the lock in our hands, a socket that is there is that of a dead daemon. */
function take(runDir: string): Lock {
  let lock: Lock | undefined;
  try {
    lock = lockFile(join(runDir, LOCK));
  } catch (cause) {
    throw unusable(runDir, whyUnusable(cause), cause);
  }
  if (lock !== undefined) return lock;
  throw new DeployerError(
    "config",
    `another deployer-service is already using RUN_DIR ${runDir}; several on a host need one each`,
  );
}

/** Whether the path belongs to the group docker now. */
function giveToGroup(path: string, groupsFile: string): boolean {
  const group = groupId(groupsFile);
  if (group === undefined) return false;
  try {
    chownSync(path, -1, group);
    return true;
  } catch {
    return false;
  }
}

/** group(5): `name:password:id:members`. */
function groupId(groupsFile: string): number | undefined {
  try {
    const line = readFileSync(groupsFile, "utf8")
      .split("\n")
      .find((each) => each.startsWith(`${GROUP}:`));
    const id = line?.split(":")[2] ?? "";
    return /^\d+$/.test(id) ? Number(id) : undefined;
  } catch {
    return undefined;
  }
}

function unusable(runDir: string, reason: string, cause?: unknown): DeployerError {
  return new DeployerError("config", `cannot use RUN_DIR ${runDir}: ${reason}`, { cause });
}
