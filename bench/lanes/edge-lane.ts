import { startRoutedScene } from "../../test/support/routed-scene.ts";
import { pause, say } from "../stage.ts";
import { prepareBeside } from "./beside.ts";
import { type Deployed, deployUnderLoad, sayDeployed, webService } from "./deployments.ts";
import { countBy, type LaneResult, outside, PER_SECOND, QUIET_MS, type Span } from "./lane.ts";

export type EdgeGoal = {
  /** Both are reached before it ends. */
  deployments: number;
  requests: number;
  /** Deployments, back to back, between two blocks of controls. */
  block: number;
  controls: number;
};

export type EdgeLane = LaneResult & {
  deployed: readonly Deployed[];
  /** Within the same load, without any deployment. */
  controls: readonly Span[];
  /** Everything but the controls. */
  own: readonly Span[];
};

const WATCH_MS = 1_000;
/** A deployment that never succeeds must not make it endless. */
const LONGEST_MS = 1_800_000;

/** One load over all deployments; in the control the same machine does all that a deployment needs, but for the switch. */
export async function edgeLane(goal: EdgeGoal, signal: AbortSignal): Promise<EdgeLane> {
  await using beside = await prepareBeside(WATCH_MS);
  await using scene = await startRoutedScene({ services: (image) => webService(image, "1s") });
  await beside.comeAndGo();
  await using load = await scene.load({ perSecond: PER_SECOND });
  const deployed: Deployed[] = [];
  const controls: Span[] = [];
  const now = () => Date.now() - load.startedAt;

  function isReached(): boolean {
    const spent = controls.reduce((sum, { from, to }) => sum + to - from, 0);
    const good = deployed.filter(({ status }) => status === "succeeded").length;
    // The time on the way to and from the generator, and a tenth of a second at each end of a control, count for nothing.
    const requests = ((now() - spent - 1_000) / 1_000) * PER_SECOND * 0.995;
    return (good >= goal.deployments && requests >= goal.requests) || now() > LONGEST_MS;
  }

  await pause(QUIET_MS, signal);
  while (!isReached()) {
    for (let n = 0; n < goal.block && !isReached(); n += 1) {
      signal.throwIfAborted();
      const image = await scene.publish(`v${deployed.length + 2}`);
      deployed.push(await deployUnderLoad(scene, load, image));
      sayDeployed("edge", deployed.length, deployed.at(-1) ?? fail());
    }
    for (let n = 0; n < goal.controls; n += 1) {
      signal.throwIfAborted();
      const from = now();
      await beside.comeAndGo();
      controls.push({ from, to: now() });
      say(`control ${controls.length} in ${((now() - from) / 1_000).toFixed(1)} s`);
    }
  }
  await pause(QUIET_MS, signal);
  const result = await load.stop();
  const ended = countBy(deployed.map(({ status }) => status));
  return { result, swaps: deployed, ended, deployed, controls, own: outside(controls, result.duration) };
}

function fail(): never {
  throw new Error("nothing was deployed");
}
