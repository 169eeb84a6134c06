import { startRoutedScene } from "../../test/support/routed-scene.ts";
import type { WebImage } from "../../test/support/web-image.ts";
import { pause } from "../stage.ts";
import { type Deployed, deployUnderLoad, sayDeployed, webService } from "./deployments.ts";
import { countBy, type LaneResult, PER_SECOND, QUIET_MS } from "./lane.ts";

/** Three bad answers, one a second, end it. */
const WATCH = "6s";
/** About a second after visitors have come to it: so it fails in the watch, never in the gate. */
const REQUESTS = PER_SECOND;
const BAD: Record<string, Partial<WebImage>> = {
  crashes: { crashAfterRequests: REQUESTS },
  unhealthy: { unhealthyAfterRequests: REQUESTS },
};

/** POSTs that fit into the proxy's buffer, of which some are in the container whenever it dies. */
const POSTS = { postKib: 12, postMs: 50 };

/**
 * Deployments of images that crash in the watch and that turn unhealthy in it, in turn, so many of each.
 * @param resend as the service allows it
 */
export async function rollbackLane(
  each: number,
  resend: "idempotent" | "all",
  signal: AbortSignal,
): Promise<LaneResult> {
  const allowed = `      resend: ${resend}\n`;
  await using scene = await startRoutedScene({ services: (image) => webService(image, WATCH, allowed) });
  await using load = await scene.load({ perSecond: PER_SECOND, ...POSTS });
  const deployed: Deployed[] = [];
  await pause(QUIET_MS, signal);
  for (let n = 1; n <= each; n += 1) {
    for (const [name, image] of Object.entries(BAD)) {
      signal.throwIfAborted();
      const one = await deployUnderLoad(scene, load, await scene.publish(`${name}${n}`, image));
      deployed.push(one);
      sayDeployed(`rollback, resend: ${resend}`, deployed.length, one);
    }
  }
  await pause(QUIET_MS, signal);
  const result = await load.stop();
  return { result, swaps: deployed, ended: countBy(deployed.map(({ status }) => status)) };
}
