import { ensureMachine } from "../test/support/machine.ts";
import { durationLines, type Durations, measureDurations } from "./cost/durations.ts";
import { type EdgeMemory, measureMemory, SOCKETS } from "./cost/memory.ts";
import { type CostSize, measureRequests, requestLines } from "./cost/requests.ts";
import { startHttps, startPlain } from "./cost/way.ts";
import { report, RESULTS } from "./report.ts";
import { onStage, say } from "./stage.ts";

/**
 * `bun bench/edge-cost.ts`: what the edge costs, in requests, latency, memory and time of a deployment, in about eight
 * minutes. With `--short` a minute or two, for trying: its result stays in `.test`.
 */

type Size = CostSize & { deployments: number };

const FULL: Size = { rounds: 5, wrkSeconds: 5, loadSeconds: 10, deployments: 10 };
const SHORT: Size = { rounds: 1, wrkSeconds: 2, loadSeconds: 3, deployments: 2 };
const MIB = 1024 * 1024;

const isShort = process.argv.includes("--short");
const size = isShort ? SHORT : FULL;

await ensureMachine(say, [{ command: "wrk", package: "wrk" }]);
await onStage(async (signal) => {
  const durations = await measureDurations(size.deployments, signal);
  const { scene, ways } = await startPlain();
  await using plain = scene;
  const secure = await startHttps();
  await using _scene = secure.scene;
  const memory = await measureMemory(plain, size.wrkSeconds);
  const figures = await measureRequests([...ways, ...secure.ways], size, signal);
  const lines = [
    ...requestLines(figures, size),
    "",
    ...memoryLines(memory, durations),
    "",
    ...durationLines(durations),
  ];
  report("edge-cost", lines, isShort ? ".test" : RESULTS);
});

function memoryLines(
  { atRest, underLoad, withSockets, afterwards }: EdgeMemory,
  { memory }: Durations,
): string[] {
  const daemon = ({ before, after }: { before: number; after: number }) =>
    `${(before / MIB).toFixed(0)}, ${(after / MIB).toFixed(0)}`;
  return [
    "Memory, MiB. The edge's processes: what is theirs alone and their share of the rest (PSS). The daemon: resident, before and after the deployments below.",
    "",
    "| | |",
    "|---|---|",
    `| the edge at rest | ${atRest.toFixed(1)} |`,
    `| under wrk, at most | ${underLoad.toFixed(1)} |`,
    `| with ${SOCKETS.toLocaleString("en-US")} WebSockets | ${withSockets.toFixed(1)} |`,
    `| after they were closed | ${afterwards.toFixed(1)} |`,
    `| the daemon with an edge | ${daemon(memory.edge)} |`,
    `| the daemon without one | ${daemon(memory.plain)} |`,
  ];
}
