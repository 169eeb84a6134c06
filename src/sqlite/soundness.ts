import type { Database } from "bun:sqlite";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

const MARK = ".sound";

/**
 * Whether the database is byte for byte as `leaveSound` left it, so that its pages need not be read again: the check of
 * a full history costs more than the whole rest of the start. The mark is used up: after a kill, a power loss, or
 * when anybody has written to the file or replaced it, the answer is no.
 */
export function isKnownSound(path: string): boolean {
  const mark = readIfThere(path + MARK);
  rmSync(path + MARK, { force: true });
  return mark !== undefined && !hasLog(path) && mark === identityOf(path);
}

/**
 * Closes the database, and notes how it was left if all of it stands in the one file. A disk that is full does not keep
 * the daemon from stopping: without the note the next start looks closely.
 */
export function leaveSound(database: Database, path: string): void {
  const isWhole = moveLogIntoFile(database);
  database.close();
  if (!isWhole || hasLog(path)) return;
  try {
    writeFileSync(path + MARK, identityOf(path), { mode: 0o600 });
  } catch {
    rmSync(path + MARK, { force: true });
  }
}

function moveLogIntoFile(database: Database): boolean {
  try {
    const row = database.query<{ busy: number }, []>("PRAGMA wal_checkpoint(TRUNCATE)").get();
    return row?.busy === 0;
  } catch {
    return false;
  }
}

/** Any write changes the times, and nothing sets ctime back: not `touch`, not a copy that keeps times. */
function identityOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "gone" : [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(" ");
}

function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
