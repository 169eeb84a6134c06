import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { z } from "zod";

import { type LoadOptions, type LoadResult, type Mark, Measured } from "./load-result.ts";
import { BASE_ENV } from "./run.ts";
import { endProcess, tied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** Requests at a constant rate, from a process of their own. */
export type Load = {
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** The generator's process. */
  pid: number;
  /** Notes that something happens now; milliseconds since the start. */
  mark(name: string): number;
  /** Sends nothing more, waits for what is under way, and tells everything. */
  stop(): Promise<LoadResult>;
  [Symbol.asyncDispose](): Promise<void>;
};

const SCRIPT = join(import.meta.dir, "load-main.ts");
const START_DEADLINE = 20_000;
/** Beside the timeout of a request. */
const STOP_DEADLINE = 60_000;

const First = z.object({ startedAt: z.number() });

/**
 * An open loop: each request leaves when it is due, however the ones before it fare, so a slow server is asked as much as a
 * fast one. Each is sent once and counted once, as an answer that is right in every way or as failed, with the reason.
 */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-load-"));
  const result = join(dir, "result.json");
  const child = Bun.spawn(tied([process.execPath, SCRIPT, JSON.stringify(options), result]), {
    env: BASE_ENV,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    detached: true,
  });
  let output = "";
  const read = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) output += decoder.decode(chunk, { stream: true });
  })();
  const first = await waitFor("the load to begin", START_DEADLINE, () => {
    if (child.exitCode !== null) throw new Error(`the load ended with ${child.exitCode}`);
    return output.includes("\n") && output.slice(0, output.indexOf("\n"));
  });
  const { startedAt } = First.parse(JSON.parse(first));
  const marks: Mark[] = [];

  async function end(): Promise<void> {
    await endProcess(child, STOP_DEADLINE);
    await read;
  }

  return {
    startedAt,
    pid: child.pid,
    mark(name) {
      const at = Date.now() - startedAt;
      marks.push({ name, at });
      return at;
    },
    async stop() {
      await end();
      return { ...Measured.parse(JSON.parse(readFileSync(result, "utf8"))), marks };
    },
    async [Symbol.asyncDispose]() {
      await end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
