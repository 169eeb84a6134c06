import { freePort } from "../../test/support/free-port.ts";
import type { Project } from "../../test/support/project.ts";
import { stage, stageProject } from "../../test/support/stage.ts";
import { createVersions, swapByHand } from "./by-hand.ts";
import type { LaneResult } from "./lane.ts";
import { startNginx } from "./nginx.ts";

/** What the scripts for it sleep until the new container is taken to be up. */
const SLEEP_MS = 5_000;

/** "Scale up, sleep, remove old": the proxy is told of the new container and the old one is stopped at once. */
export async function scaleLane(swaps: number, signal: AbortSignal): Promise<LaneResult> {
  const port = freePort();
  const versions = createVersions();
  const compose = (image: string) => `services:\n  web:\n    image: ${image}\n`;
  await using project = stageProject({ compose: compose(await versions("v1")) });
  await project.compose("up", "-d");
  await using nginx = await startNginx(port, await addresses(await running(project)));
  const swap = async (image: string) => {
    const old = await running(project);
    project.write(compose(image));
    await project.compose("up", "-d", "--no-recreate", "--scale", "web=2");
    await Bun.sleep(SLEEP_MS);
    const added = (await running(project)).filter((id) => !old.includes(id));
    nginx.reload(await addresses(added));
    await stage().docker.docker("stop", ...old);
    await stage().docker.docker("rm", ...old);
  };
  return await swapByHand({ name: "scale up", port, swap }, versions, swaps, signal);
}

async function running(project: Project): Promise<string[]> {
  return (await project.containers()).filter(({ state }) => state === "running").map(({ id }) => id);
}

async function addresses(ids: readonly string[]): Promise<string[]> {
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const { stdout } = await stage().docker.docker("inspect", "--format", format, ...ids);
  return stdout.trim().split("\n");
}
