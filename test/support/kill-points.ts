import { expect } from "bun:test";

import { type Candidate, type KillLane, type KillResult, startKillLane } from "./kill-lane.ts";
import { type Steps, StepsToTake } from "./kill-steps.ts";

/** Kills the daemon at stop points of a deployment, one after the other until one is not reached. */
export type KillSeries = {
  strategy: KillLane["strategy"];
  candidate: Candidate;
  /** Path of the daemon with stop points. */
  binary: string;
  steps: Steps;
  /** How many deployments are killed side by side. */
  lanes: number;
};

/** @returns all kills */
export async function killAtSteps(series: KillSeries): Promise<readonly KillResult[]> {
  const { strategy, candidate, binary, lanes } = series;
  const results: KillResult[] = [];
  const steps = new StepsToTake(series.steps);

  async function work(): Promise<void> {
    await using lane = await startKillLane(strategy, binary, candidate);
    let next: number | undefined;
    for (let point = steps.take(); point !== undefined && steps.isReached(point); point = next) {
      next = steps.take();
      const result = await lane.kill({ point }, next).catch((cause: unknown) => {
        throw new Error(`killed at stop point ${point}`, { cause });
      });
      if (result.at === "ended") steps.notReached(point);
      else results.push(result);
    }
  }

  await Promise.all(Array.from({ length: lanes }, work));
  return results;
}

/** What a deployment writes down must have been among the stop points, or they show nothing. */
export function expectEveryStep(results: readonly KillResult[]): void {
  const names = results.map(({ at }) => at);
  for (const write of ["insert", "update", "saveProgress", "commit"])
    expect(names).toEqual(expect.arrayContaining([`before ${write}`, `after ${write}`]));
  for (const phase of ["accepted", "started", "resolved", "pulled", "switching", "committed", "ended"])
    expect(names).toContain(`event ${phase}`);
}

/** A good candidate comes to run, one that crashes never does, and none goes lost. */
export function expectEnds(results: readonly KillResult[], candidate: Candidate): void {
  const ends = candidate === "good" ? ["succeeded"] : ["rolled_back", "failed"];
  // Before it was accepted it cannot run; accepted, it must.
  const wrong = results.filter(({ at, status = "not accepted" }) =>
    at === "before insert" ? status !== "not accepted" : !ends.includes(status),
  );
  expect(wrong).toEqual([]);
}
