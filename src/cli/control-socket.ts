import { statSync } from "node:fs";
import { join } from "node:path";

import { runDirs } from "../folders.ts";
import { CONTROL_SOCKET } from "../system/run-dir.ts";
import { currentUser } from "../system/user.ts";
import type { Environment } from "../variables.ts";

/** The socket of this host's daemon; where none is to be seen, the place it should be. */
export function controlSocket(env: Environment): string {
  const sockets = runDirs(env, currentUser(env)).map((folder) => join(folder, CONTROL_SOCKET));
  return sockets.find(isThere) ?? sockets[0] ?? CONTROL_SOCKET;
}

/** Also when this user may not look: whoever opens it is told that it may not be opened. */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EACCES";
  }
}
