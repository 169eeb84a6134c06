import type { Log } from "../core/ports.ts";
import { localTime } from "./local-time.ts";
import { createOutput, type Output } from "./output.ts";
import { printable, printableText } from "./printable.ts";
import { escapeControls } from "./terminal-controls.ts";

export type Level = "debug" | "info" | "warn" | "error" | "fatal";

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error", "fatal"];

type LogOptions = {
  /** IANA name. */
  timeZone: string;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Lines under it are not written. Default `info`. */
  level?: Level;
};

/** The log of the process on a file descriptor; call `flush` before an exit, or the last lines are lost. */
export function openLog(fd: number, options: LogOptions): { log: Log; flush: Output["flush"] } {
  const render = createRenderer(options);
  const output = createOutput(fd, (lines) =>
    render("warn", "log lines dropped, nobody read them in time", { lines }),
  );
  return { log: createLog({ ...options, write: output.write }), flush: output.flush };
}

/**
 * A log of one JSON object a line: `{"fields":{…},"level":"info","timestamp":"…","message":"…"}`.
 * No field can make it throw, and no text can make more than one line.
 * `write` gets one line with its newline; it must neither block nor throw.
 */
export function createLog(options: LogOptions & { write: (line: string) => void }): Log {
  const render = createRenderer(options);
  const least = LEVELS.indexOf(options.level ?? "info");
  const writer = (level: Level) => {
    if (LEVELS.indexOf(level) < least) return () => {};
    return (message: string, fields: Record<string, unknown> = {}) =>
      options.write(render(level, message, fields));
  };
  return {
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    fatal: writer("fatal"),
  };
}

function createRenderer(options: LogOptions) {
  const timestamp = localTime(options.timeZone);
  return (level: Level, message: string, fields: Record<string, unknown>): string => {
    const line = JSON.stringify({
      fields: printable(fields),
      level,
      timestamp: timestamp(options.now()),
      message: printableText(message),
    });
    return `${escapeControls(line)}\n`;
  };
}
