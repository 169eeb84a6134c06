import { startRoutedScene } from "../../test/support/routed-scene.ts";
import { pause } from "../stage.ts";
import { type Deployed, deployUnderLoad, sayDeployed, webService } from "./deployments.ts";
import { countBy, type LaneResult, PER_SECOND, QUIET_MS } from "./lane.ts";

export type RecreateLane = LaneResult & { held: number; refused: number };

/** A volume that two must not write to, so `auto` chooses `recreate`. */
const ALONE = "    volumes: [data:/data]\nvolumes:\n  data:\n";

/** Swaps of a service that cannot run twice: its visitors wait. */
export async function recreateLane(swaps: number, signal: AbortSignal): Promise<RecreateLane> {
  await using scene = await startRoutedScene({ services: (image) => webService(image, "1s", ALONE) });
  await using load = await scene.load({ perSecond: PER_SECOND });
  const deployed: Deployed[] = [];
  await pause(QUIET_MS, signal);
  for (let n = 1; n <= swaps; n += 1) {
    signal.throwIfAborted();
    const one = await deployUnderLoad(scene, load, await scene.publish(`v${n + 1}`));
    deployed.push(one);
    sayDeployed("recreate", n, one);
  }
  await pause(QUIET_MS, signal);
  const result = await load.stop();
  const sum = (pick: (one: Deployed) => number) => deployed.reduce((total, one) => total + pick(one), 0);
  return {
    result,
    swaps: deployed,
    ended: countBy(deployed.map(({ status }) => status)),
    held: sum(({ held }) => held),
    refused: sum(({ refused }) => refused),
  };
}
