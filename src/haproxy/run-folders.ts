import { chmodSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Folders for the sockets of proxies, one for each generation; only the daemon's user can open them. */
export type RunFolders = {
  /** The folder they are in. */
  root: string;
  path(generation: number): string;
  /** Makes the folder of a generation that has none. */
  make(generation: number): void;
  /** A generation that has had no folder and is none of `known`. */
  unused(known: readonly number[]): number;
  remove(generation: number): void;
};

export function createRunFolders(root: string): RunFolders {
  const path = (generation: number): string => join(root, String(generation));

  function make(folder: string): void {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Whatever the umask says, and who made it.
    chmodSync(folder, 0o700);
  }

  function existing(): string[] {
    make(root);
    return readdirSync(root);
  }

  return {
    root,
    path,
    make(generation) {
      make(root);
      make(path(generation));
    },
    unused: (known) => Math.max(0, ...known, ...existing().map((name) => Number(name) || 0)) + 1,
    remove: (generation) => rmSync(path(generation), { recursive: true, force: true }),
  };
}
