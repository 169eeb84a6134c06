import { killAtInstants } from "../test/support/kill-instants.ts";
import type { KillResult } from "../test/support/kill-lane.ts";
import { stage } from "../test/support/stage.ts";
import { median, report } from "./report.ts";
import { onStage, say } from "./stage.ts";

/** The first part of `npm run soak`: 200 kills of the daemon at random instants. */

const KILLS = 200;
const SEED = 1;

await onStage(async () => {
  report("soak", killLines(await killAtInstants(KILLS, SEED, stage().binary, sayEach(KILLS))));
});

function sayEach(count: number): (result: KillResult) => void {
  let done = 0;
  return ({ strategy, status, servedAfterMs }) => {
    done += 1;
    say(
      `kill ${done} of ${count}: ${strategy}, ${status ?? "not accepted"}, served after ${servedAfterMs} ms`,
    );
  };
}

function killLines(results: readonly KillResult[]): string[] {
  const rows = (["recreate", "rolling"] as const).map((strategy) => {
    const own = results.filter((result) => result.strategy === strategy);
    const count = (wanted: string | undefined) => own.filter(({ status }) => status === wanted).length;
    const served = own.map(({ servedAfterMs }) => servedAfterMs);
    const times = `${Math.round(median(served))} (most ${Math.max(...served)})`;
    return `| ${strategy} | ${own.length} | ${count("succeeded")} | ${count("failed")} | ${count(undefined)} | ${times} |`;
  });
  return [
    `${results.length} deployments whose daemon was killed (\`kill -9\`) at a random instant (seed ${SEED}) and started again. After each of them: one container, on the version that the record says; \`before\` ran at most once; with rolling, no question of a peer that asks 20 times a second failed.`,
    "",
    "| strategy | kills | succeeded | failed | not accepted | served after the start, ms |",
    "|---|---|---|---|---|---|",
    ...rows,
  ];
}
