import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Daemon } from "../../test/support/daemon.ts";
import { startSender } from "../../test/support/flood.ts";
import { freePort } from "../../test/support/free-port.ts";
import { cpuSeconds } from "../../test/support/process-cpu.ts";
import { BASE_ENV } from "../../test/support/run.ts";
import { endProcess, tied } from "../../test/support/tied-process.ts";
import { waitFor } from "../../test/support/wait.ts";

/** Microseconds of CPU a refused request, of each round. */
export type RejectionCost = { ours: number[]; original: number[] | undefined };

const ROUND_MS = 4_000;
/** Enough that those which are not held back keep a core busy. */
const LOAD = { connections: 768, perSecond: 100_000 };
const START_DEADLINE = 10_000;
const END_DEADLINE = 2_000;
const MICROSECONDS = 1_000_000;

/** @param program that of the original, if there is one here */
export async function rejectionCost(
  daemon: Daemon,
  program: string | undefined,
  rounds: number,
): Promise<RejectionCost> {
  await using original = program === undefined ? undefined : await startOriginal(program, daemon);
  const cost = { ours: [] as number[], original: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    cost.ours.push(await costOf(daemon));
    if (original !== undefined) cost.original.push(await costOf(original));
  }
  return { ours: cost.ours, original: original === undefined ? undefined : cost.original };
}

async function costOf({ pid, port }: { pid: number; port: number }): Promise<number> {
  await using sender = await startSender({ ...LOAD, port });
  const before = cpuSeconds(pid);
  await Bun.sleep(ROUND_MS);
  const used = cpuSeconds(pid) - before;
  const { refused } = await sender.stop();
  return (used / refused) * MICROSECONDS;
}

/** With a docker and an aws that say yes to everything: it will not start without. */
async function startOriginal(program: string, { env }: Daemon) {
  const folder = mkdtempSync(join(tmpdir(), "bench-original-"));
  for (const name of ["docker", "aws"]) writeFileSync(join(folder, name), "#!/bin/sh\n", { mode: 0o755 });
  const port = freePort();
  const child = Bun.spawn(tied([program]), {
    env: { ...BASE_ENV, ...env, PORT: String(port), PATH: `${folder}:${BASE_ENV["PATH"]}` },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    detached: true,
  });
  await waitFor("the original", START_DEADLINE, async () => {
    if (child.exitCode !== null) throw new Error(`the original ended with ${child.exitCode}`);
    return await fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    pid: child.pid,
    port,
    async [Symbol.asyncDispose]() {
      await endProcess(child, END_DEADLINE);
      rmSync(folder, { recursive: true });
    },
  };
}
