import { expect } from "bun:test";

import { type KillLane, type KillResult, startKillLane } from "./kill-lane.ts";

/** How many deployments are killed side by side. */
const LANES = 4;

/** Kills the daemon at each stop point of a deployment, one after the other until one is not reached. @returns all that were */
export async function killAtEveryPoint(
  strategy: KillLane["strategy"],
  binary: string,
): Promise<readonly KillResult[]> {
  const results: KillResult[] = [];
  let last = 0;
  let end = Number.POSITIVE_INFINITY;

  async function work(): Promise<void> {
    await using lane = await startKillLane(strategy, binary);
    for (let point = (last += 1), next = point; point < end; point = next) {
      next = last += 1;
      const result = await lane.kill({ point }, next).catch((cause: unknown) => {
        throw new Error(`killed at stop point ${point}`, { cause });
      });
      if (result.at === "ended") end = Math.min(end, point);
      else results.push(result);
    }
  }

  await Promise.all(Array.from({ length: LANES }, work));
  return results;
}

/** What a deployment writes down must have been among the stop points, or they show nothing. */
export function expectEveryStep(results: readonly KillResult[]): void {
  const names = results.map(({ at }) => at);
  for (const write of ["insert", "update", "saveProgress", "commit"])
    expect(names).toEqual(expect.arrayContaining([`before ${write}`, `after ${write}`]));
  for (const phase of ["accepted", "started", "resolved", "pulled", "switching", "committed", "ended"])
    expect(names).toContain(`event ${phase}`);
  // Before it was accepted it cannot run; accepted, it must.
  for (const { at, status } of results)
    expect([at, status]).toEqual([at, at === "before insert" ? undefined : expect.any(String)]);
}
