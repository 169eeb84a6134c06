import { type KillLane, type KillResult, startKillLane } from "./kill-lane.ts";
import { seededRandom } from "./random.ts";

/** Of each strategy. */
const LANES = 2;
/** A little later than an undisturbed deployment takes. */
const LATEST = 1.1;

/** Kills the daemon at `count` random instants, the same share of an undisturbed deployment for the same seed. */
export async function killAtInstants(
  count: number,
  seed: number,
  binary: string,
  onKill: (result: KillResult) => void = () => undefined,
): Promise<readonly KillResult[]> {
  const random = seededRandom(seed);
  const waiting = Array.from({ length: count }, random);
  const results: KillResult[] = [];

  async function work(strategy: KillLane["strategy"]): Promise<void> {
    await using lane = await startKillLane(strategy, binary);
    for (let share = waiting.shift(); share !== undefined; share = waiting.shift()) {
      const afterMs = share * LATEST * lane.undisturbed;
      const result = await lane.kill({ afterMs }).catch((cause: unknown) => {
        throw new Error(`seed ${seed}, ${strategy}, killed after ${Math.round(afterMs)} ms`, { cause });
      });
      results.push(result);
      onKill(result);
    }
  }

  const strategies = Array.from({ length: LANES }, () => ["recreate", "rolling"] as const).flat();
  await Promise.all(strategies.map(work));
  return results;
}
