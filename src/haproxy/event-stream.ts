import { createConnection } from "node:net";
import { join } from "node:path";

import { LOG_RING } from "./proxy.ts";

/** The lines that one worker of the proxy logs, as they come. */
export type EventStream = {
  /** Resolves when the worker has been asked, or cannot be. */
  opened: Promise<void>;
  /** Resolves when it is over, however it ended. */
  ended: Promise<void>;
  close(): void;
};

/** Longer ones are none of ours. */
const MOST_CHARACTERS = 64 * 1024;

/**
 * Follows the worker that accepts connections on `admin.sock` in this folder. There is no limit of time: a quiet stream stays.
 * @param from what was logged before too, since the worker began
 */
export function openEventStream(
  runDir: string,
  from: "its beginning" | "now",
  onLine: (line: string) => void,
): EventStream {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const connection = createConnection(join(runDir, "admin.sock"));
  const decoder = new TextDecoder();
  let rest = "";
  connection
    .on("connect", () => {
      connection.write(`show events ${LOG_RING} -w${from === "now" ? " -n" : ""}\n`, () => open());
    })
    .on("data", (chunk: Buffer) => {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MOST_CHARACTERS) rest = "";
      for (const line of lines) onLine(line);
    })
    .on("error", () => undefined)
    .on("close", () => {
      open();
      end();
    });
  return { opened, ended, close: () => connection.destroy() };
}
