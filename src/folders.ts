import { isAbsolute, join } from "node:path";

/** Who runs the daemon: decides the default folders. `home` may be empty. */
export type User = { uid: number; home: string };

const PROGRAM = "deployer-service";
const ROOT_STATE_DIR = `/var/lib/${PROGRAM}`;
const ROOT_RUN_DIR = `/run/${PROGRAM}`;

/** XDG Base Directory Specification: a relative `XDG_STATE_HOME` is to be ignored. */
export function defaultStateDir(user: User, xdgStateHome: string | undefined): string {
  if (user.uid === 0) return ROOT_STATE_DIR;
  const isUsable = xdgStateHome !== undefined && isAbsolute(xdgStateHome);
  return join(isUsable ? xdgStateHome : join(user.home, ".local", "state"), PROGRAM);
}

export function defaultRunDir(user: User, stateDir: string): string {
  return user.uid === 0 ? ROOT_RUN_DIR : join(stateDir, "run");
}

/**
 * Where the control socket of a daemon may be, for commands that have none of its other settings: where RUN_DIR says, else
 * where a daemon of this user has it, else where one of root or of our unit has it.
 */
export function runDirs(env: Readonly<Record<string, string | undefined>>, user: User): string[] {
  const named = env["RUN_DIR"] || env["RUNTIME_DIRECTORY"];
  if (named) return [firstPath(named)];
  const stateDir = env["STATE_DIR"] || defaultStateDir(user, env["XDG_STATE_HOME"]);
  return user.uid === 0 ? [ROOT_RUN_DIR] : [join(stateDir, "run"), ROOT_RUN_DIR];
}

/** systemd.exec(5): several `StateDirectory=` folders are joined by colons. */
export function firstPath(list: string): string {
  return list.split(":", 1)[0] ?? "";
}
