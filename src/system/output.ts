import { write as writeToFd } from "node:fs";

/** Characters that may wait for a reader that does not read; beyond it lines are dropped and counted. */
const MAX_WAITING_LENGTH = 1024 * 1024;
const RETRY_MS = 50;

type FdWrite = (
  fd: number,
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

export type Output = {
  /** Never blocks, never throws. */
  write: (line: string) => void;
  /** Resolves when everything written so far has left the process, at the latest after `deadlineMs`. */
  flush: (deadlineMs: number) => Promise<void>;
};

/**
 * Lines to a file descriptor by one asynchronous write at a time.
 *
 * A synchronous write to a pipe nobody reads stops the event loop for ever, and Bun's own `process.stdout` hides the
 * back-pressure: it buffers without bound and says "written" for what it still holds. Here a thread waits instead of
 * the loop, a bounded amount is kept, and what had to be dropped is said in a line of its own (rendered by `dropped`)
 * once the reader is back. A reader that is gone (EPIPE) or a closed descriptor costs the lines, not the process.
 */
export function createOutput(
  fd: number,
  dropped: (lines: number) => string,
  fdWrite: FdWrite = writeToFd,
): Output {
  let waiting: string[] = [];
  let waitingLength = 0;
  let droppedLines = 0;
  let isWriting = false;
  const whenIdle: (() => void)[] = [];

  const next = (): void => {
    if (droppedLines > 0) waiting.push(dropped(droppedLines));
    const bytes = Buffer.from(waiting.join(""));
    waiting = [];
    waitingLength = 0;
    droppedLines = 0;
    isWriting = bytes.length > 0;
    if (isWriting) return send(bytes);
    for (const resolve of whenIdle.splice(0)) resolve();
  };

  const send = (bytes: Uint8Array): void => {
    fdWrite(fd, bytes, (error, written) => {
      if (error?.code === "EAGAIN") setTimeout(() => send(bytes), RETRY_MS);
      else if (error === null && written < bytes.length) send(bytes.subarray(written));
      else next();
    });
  };

  return {
    write(line) {
      if (waitingLength + line.length > MAX_WAITING_LENGTH) {
        droppedLines += 1;
        return;
      }
      waiting.push(line);
      waitingLength += line.length;
      if (!isWriting) {
        isWriting = true;
        // One write for all lines of this turn of the event loop.
        queueMicrotask(next);
      }
    },
    async flush(deadlineMs) {
      if (!isWriting) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      whenIdle.push(resolve);
      const timer = setTimeout(resolve, deadlineMs);
      await promise;
      clearTimeout(timer);
    },
  };
}
