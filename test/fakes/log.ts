import type { Log } from "../../src/core/ports.ts";

export type FakeLog = Log & { lines: { level: string; message: string; fields: Record<string, unknown> }[] };

export function fakeLog(): FakeLog {
  const lines: FakeLog["lines"] = [];
  const write =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void =>
      void lines.push({ level, message, fields });
  return {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    fatal: write("fatal"),
  };
}
