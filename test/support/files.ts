import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Every file below a folder, its bytes as characters. */
export function filesIn(folder: string): { path: string; content: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, content: readFileSync(path, "latin1") }));
}

/** Permission bits: `0o600`. */
export function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}
