import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Replaces a file in one step: whoever reads it, and a crash, find the old content or the new; on disk when it returns.
 * Readable by the daemon's user only.
 */
export function writeFileAtomically(path: string, content: string): void {
  const temporary = `${path}.new`;
  // What a crash left of it keeps the rights it has.
  rmSync(temporary, { force: true });
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Without it a power loss may undo the rename, after what was recorded about the new file has reached the disk. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
