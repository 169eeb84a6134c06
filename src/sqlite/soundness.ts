import type { Database } from "bun:sqlite";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

const MARK = ".sound";
/** What the daemon decides by; `events` and `diagnoses` are for people only, and nine tenths of a full file. */
const DECIDING_TABLES = [
  "deployments",
  "parts",
  "pins",
  "versions",
  "origins",
  "brought_images",
  "facts",
  "read_keys",
  "spent_keys",
  "guards",
];

/** How a database was left: closed and untouched since, closed and not the same any more, or in the middle of its use. */
type Left = "untouched" | "changed" | "in_use";

/** Uses up the note of `closeSound`; ask before SQLite opens the file. */
export function howLeft(path: string): Left {
  const mark = readIfThere(path + MARK);
  rmSync(path + MARK, { force: true });
  if (mark === undefined) return "in_use";
  return !hasLog(path) && mark === identityOf(path) ? "untouched" : "changed";
}

/**
 * Looks for damage as closely as there is reason to: reading the whole file costs more than the rest of the start once
 * there is much history. Untouched since a stop: not at all. In use when its process was killed: SQLite promises that this
 * harms nothing, so only what is decided by is read. In use when the host went down, or changed by anybody: all of it.
 * Throws what SQLite finds wrong.
 */
export function assertSound(database: Database, left: Left, bootId: string): void {
  if (left === "untouched") return;
  const wasKilled = left === "in_use" && lastBoot(database) === bootId;
  if (wasKilled) for (const table of DECIDING_TABLES) check(database, `quick_check('${table}')`);
  else check(database, "quick_check(1)");
}

/** Notes under which start of the host the database is in use. Without the note, on a full disk, the next start looks closely. */
export function noteBoot(database: Database, bootId: string): void {
  if (lastBoot(database) === bootId) return;
  try {
    database.query("INSERT OR REPLACE INTO facts (name, value) VALUES ('boot', ?)").run(bootId);
  } catch {
    return;
  }
}

/**
 * Closes the database, and notes how it was left if all of it stands in the one file. A disk that is full does not keep
 * the daemon from stopping: without the note the next start looks closely.
 */
export function closeSound(database: Database, path: string): void {
  const isWhole = moveLogIntoFile(database);
  database.close();
  if (!isWhole || hasLog(path)) return;
  try {
    writeFileSync(path + MARK, identityOf(path), { mode: 0o600 });
  } catch {
    rmSync(path + MARK, { force: true });
  }
}

function check(database: Database, pragma: string): void {
  const damage = database.query<{ quick_check: string }, []>(`PRAGMA ${pragma}`).get()?.quick_check;
  if (damage !== "ok") throw new Error(damage ?? "no answer");
}

/** Undefined for an empty database too. */
function lastBoot(database: Database): string | undefined {
  const facts = database.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'facts'").get();
  if (facts === null) return undefined;
  return database.query<{ value: string }, []>("SELECT value FROM facts WHERE name = 'boot'").get()?.value;
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
