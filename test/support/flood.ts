import { join } from "node:path";

import type { Daemon, Reply } from "./daemon.ts";
import { type FloodOptions, FloodResult } from "./flood-options.ts";
import { cpuSeconds } from "./process-cpu.ts";
import { BASE_ENV } from "./run.ts";
import { endProcess, tied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

const SCRIPT = join(import.meta.dir, "flood-main.ts");
const START_DEADLINE = 30_000;
const STOP_DEADLINE = 10_000;
const SAMPLE_EVERY_MS = 250;
/** However slow the machine is. */
const LEAST_GOOD = 3;
const MESSAGES = { one: "unauthorized request", more: "more refused requests, counted only" };

/** What a flood did to a daemon. */
export type Flooded = FloodResult & {
  /** Log lines of refused requests, one each. */
  lines: number;
  /** Log lines that count them. */
  summaries: number;
  /** Requests that the log accounts for, in either way. */
  told: number;
  /** Resident bytes: before, the most, a while after. */
  rss: { before: number; most: number; samples: number[] };
  /** Seconds of CPU that the daemon took for everything meanwhile. */
  cpu: number;
  /** Of good requests sent meanwhile, each after the one before. */
  good: { reply: Reply; ms: number }[];
};

/** Floods the daemon with forged tokens for so long at least, while `good` is sent one after the other. */
export async function flood(
  daemon: Daemon,
  options: Omit<FloodOptions, "port">,
  milliseconds: number,
  good: () => Promise<Reply>,
): Promise<Flooded> {
  const logged = daemon.log().length;
  const before = daemon.rss();
  await using sender = await startSender({ ...options, port: daemon.port });
  const cpu = cpuSeconds(daemon.pid);
  const samples: number[] = [];
  const timer = setInterval(() => void samples.push(daemon.rss()), SAMPLE_EVERY_MS);
  const answers: Flooded["good"] = [];
  for (const until = Date.now() + milliseconds; Date.now() < until || answers.length < LEAST_GOOD;) {
    const begin = performance.now();
    const reply = await good();
    answers.push({ reply, ms: performance.now() - begin });
  }
  const used = cpuSeconds(daemon.pid) - cpu;
  const result = await sender.stop();
  clearInterval(timer);
  const lines = await settledLog(daemon, logged);
  const summaries = lines.filter(({ message }) => message === MESSAGES.more);
  const one = lines.filter(({ message }) => message === MESSAGES.one).length;
  const counted = summaries.reduce((sum, { fields }) => sum + Number(fields?.["requests"]), 0);
  return {
    ...result,
    lines: one,
    summaries: summaries.length,
    told: one + counted,
    rss: { before, most: Math.max(before, ...samples), samples },
    cpu: used,
    good: answers,
  };
}

/** When no more of it comes: what was counted last is written a second later. */
async function settledLog(daemon: Daemon, from: number) {
  const quietMs = 2_500;
  let [known, since] = [daemon.log().length, Date.now()];
  await waitFor("the log to be quiet", START_DEADLINE, () => {
    if (daemon.log().length !== known) [known, since] = [daemon.log().length, Date.now()];
    return Date.now() - since > quietMs;
  });
  return daemon.log().slice(from);
}

/** Floods from now until it is stopped. */
export async function startSender(options: FloodOptions) {
  const child = Bun.spawn(tied([process.execPath, SCRIPT, JSON.stringify(options)]), {
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
  await waitFor("the flood to begin", START_DEADLINE, () => {
    if (child.exitCode !== null) throw new Error(`the flood ended with ${child.exitCode}`);
    return output.includes("\n");
  });
  const end = async (): Promise<void> => {
    await endProcess(child, STOP_DEADLINE);
    await read;
  };
  return {
    async stop(): Promise<FloodResult> {
      await end();
      return FloodResult.parse(JSON.parse(output.trimEnd().split("\n").at(-1) ?? ""));
    },
    [Symbol.asyncDispose]: end,
  };
}
