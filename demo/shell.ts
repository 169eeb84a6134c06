import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { BASE_ENV, run } from "../test/support/run.ts";
import type { Show } from "./show.ts";

/** What curl was answered. */
export type Answer = { status: number; text: string };

/** Runs commands in one folder exactly as they are printed, as a person would type them there. */
export type Shell = {
  /** For set-up: not printed. */
  quietly(command: string): Promise<void>;
  /** Prints the command, runs it, prints the answer; nothing more once the demo is interrupted. */
  curl(command: string): Promise<Answer>;
};

const STATUS_MARK = "status: ";
/** Beside the command line, so that what is printed stays short: the status, errors, a time limit, no proxy to loopback. */
const CURL_CONFIG = `silent
show-error
max-time = 60
noproxy = "*"
write-out = "${STATUS_MARK}%{http_code}"
`;

export function openShell(folder: string, show: Show, signal: AbortSignal): Shell {
  writeFileSync(join(folder, ".curlrc"), CURL_CONFIG);
  const options = { cwd: folder, env: { ...BASE_ENV, CURL_HOME: folder } };
  return {
    async quietly(command) {
      await run(["sh", "-c", command], options);
    },
    async curl(command) {
      signal.throwIfAborted();
      show.command(command);
      const { stdout } = await run(["sh", "-c", command], options);
      signal.throwIfAborted();
      const end = stdout.lastIndexOf(STATUS_MARK);
      const answer = { status: Number(stdout.slice(end + STATUS_MARK.length)), text: stdout.slice(0, end) };
      show.answer(answer.status === 200 ? answer.text : `${answer.status} ${answer.text}`);
      return answer;
    },
  };
}
