import { readFileSync } from "node:fs";

import { descendants } from "../../test/support/process-tree.ts";
import { HOST, type RoutedScene } from "../../test/support/routed-scene.ts";
import { openSockets } from "../../test/support/sockets.ts";
import { stage } from "../../test/support/stage.ts";
import { wrk } from "./requests.ts";

/** Mebibytes of the edge's processes, shared pages counted once. */
export type EdgeMemory = { atRest: number; underLoad: number; withSockets: number; afterwards: number };

export const SOCKETS = 1_000;
const SAMPLE_EVERY_MS = 250;
const KIBIBYTES = 1_024;

/** At rest first: what a load has made it take it may keep. */
export async function measureMemory(scene: RoutedScene, seconds: number): Promise<EdgeMemory> {
  const pid = await pidOfEdge(scene);
  const atRest = mebibytes(pid);
  const underLoad = await mostDuring(pid, () => wrk({ url: `http://127.0.0.1:${scene.port}/` }, seconds));
  const sockets = await openSockets({
    url: `ws://127.0.0.1:${scene.port}/socket`,
    host: HOST,
    count: SOCKETS,
  });
  const { lost } = await sockets.echo();
  if (lost > 0) throw new Error(`${lost} of ${SOCKETS} WebSockets are dead`);
  const withSockets = mebibytes(pid);
  await sockets.close();
  return { atRest, underLoad, withSockets, afterwards: mebibytes(pid) };
}

async function mostDuring(pid: number, work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, mebibytes(pid));
  }, SAMPLE_EVERY_MS);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most;
}

async function pidOfEdge({ project }: RoutedScene): Promise<number> {
  const { docker: client } = stage();
  const label = `label=com.docker.compose.project=${project.name}-edge`;
  const id = (await client.docker("ps", "--quiet", "--filter", label)).stdout.trim();
  return Number((await client.docker("inspect", "--format", "{{.State.Pid}}", id)).stdout);
}

function mebibytes(root: number): number {
  const pids = [root, ...descendants(root).map(({ pid }) => pid)];
  const kibibytes = pids.map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]);
  });
  return kibibytes.reduce((sum, one) => sum + one, 0) / KIBIBYTES;
}
