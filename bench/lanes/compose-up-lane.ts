import { freePort } from "../../test/support/free-port.ts";
import { stageProject } from "../../test/support/stage.ts";
import { createVersions, swapByHand } from "./by-hand.ts";
import type { LaneResult } from "./lane.ts";

/** `docker compose up -d` with another image, on a service with a published port. */
export async function composeUpLane(swaps: number, signal: AbortSignal): Promise<LaneResult> {
  const port = freePort();
  const versions = createVersions();
  const compose = (image: string) =>
    `services:\n  web:\n    image: ${image}\n    ports: ["127.0.0.1:${port}:8080"]\n`;
  await using project = stageProject({ compose: compose(await versions("v1")) });
  await project.compose("up", "-d");
  const swap = async (image: string) => {
    project.write(compose(image));
    await project.compose("up", "-d");
  };
  return await swapByHand({ name: "compose up", port, swap }, versions, swaps, signal);
}
