import { rmSync } from "node:fs";

import { type EdgeKill, expectEveryMove, killAtMoves } from "../test/support/edge-kill-lane.ts";
import { buildWithStopPoints, type Candidate, type KillResult } from "../test/support/kill-lane.ts";
import { expectEnds, expectEveryStep, killAtSteps } from "../test/support/kill-points.ts";
import { EVERY_STEP } from "../test/support/kill-steps.ts";
import { report } from "./report.ts";
import { onStage, say } from "./stage.ts";

/** The second part of `npm run soak`: a kill of the daemon at every single step of a deployment. `npm test` has some of them. */

const STRATEGIES = ["recreate", "rolling"] as const;
const CANDIDATES: Record<Candidate, string> = { good: "does well", crashes: "crashes in the watch" };
const LANES = 4;
/** Each of these has a load of its own. */
const EDGE_LANES = 3;

type Row = { strategy: string; candidate: string; ends: readonly (string | undefined)[] };

await onStage(async (signal) => {
  const binary = await buildWithStopPoints();
  try {
    report("kill-steps", linesOf(await killEverywhere(binary, signal)));
  } finally {
    rmSync(binary);
  }
});

async function killEverywhere(binary: string, signal: AbortSignal): Promise<Row[]> {
  const rows: Row[] = [];
  for (const strategy of STRATEGIES) {
    for (const candidate of ["good", "crashes"] as const) {
      signal.throwIfAborted();
      const series = { strategy, candidate, binary, steps: EVERY_STEP, lanes: LANES };
      const kills = await killAtSteps(series);
      if (candidate === "good") expectEveryStep(kills);
      expectEnds(kills, candidate);
      rows.push(tell({ strategy, candidate: CANDIDATES[candidate], ends: endsOf(kills) }));
    }
    signal.throwIfAborted();
    const kills = await killAtMoves({ strategy, binary, steps: EVERY_STEP, lanes: EDGE_LANES });
    expectEveryMove(strategy, kills);
    rows.push(tell({ strategy, candidate: "does well, behind the edge", ends: endsOf(kills) }));
  }
  return rows;
}

function endsOf(kills: readonly (KillResult | EdgeKill)[]): (string | undefined)[] {
  return kills.map(({ status }) => status);
}

function tell(row: Row): Row {
  say(`${row.strategy}, a version that ${row.candidate}: ${row.ends.length} kills`);
  return row;
}

function linesOf(rows: readonly Row[]): string[] {
  return [
    "A deployment for each step that is written down or told, whose daemon was killed (`kill -9`) at that step and started again; behind the edge for the instants before and after each move there. After each of them: one container, on the version that the record says; `before` ran at most once; with rolling, no question of a peer that asks 20 times a second failed, and behind the edge no request.",
    "",
    "| strategy | the new version | kills | succeeded | rolled back | failed | not accepted |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(({ strategy, candidate, ends }) => {
      const count = (wanted: string | undefined) => ends.filter((end) => end === wanted).length;
      const counts = ["succeeded", "rolled_back", "failed", undefined].map(count);
      return `| ${strategy} | ${candidate} | ${ends.length} | ${counts.join(" | ")} |`;
    }),
  ];
}
