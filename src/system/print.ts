import { writeSync } from "node:fs";

const RETRY_MS = 10;

/**
 * Writes all of a text before it returns: what `process.stdout` still holds when the process exits, everything beyond the
 * first 64 KiB to a pipe, would be lost.
 * @returns false when nobody reads any more
 */
export function printAll(fd: number, text: string): boolean {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if (!isBusy(error)) return false;
      Bun.sleepSync(RETRY_MS);
    }
  }
  return true;
}

/** Another process has made the terminal or pipe that we share non-blocking. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}
