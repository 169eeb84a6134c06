import { join } from "node:path";

import type { Compose } from "../core/compose.ts";
import type { Engine } from "../core/engine.ts";
import { DeployerError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { checkFile, LABELS, SERVICE } from "./definition.ts";
import type { EdgeImage } from "./image.ts";
import type { EdgeImages } from "./images.ts";
import type { ProxySpec } from "./proxy.ts";
import { complaintIn } from "./said.ts";

const DEADLINE_MS = 30_000;
const POLL_MS = 25;
const LINES = 50;

export type CheckOptions = {
  engine: Engine;
  compose: Pick<Compose, "createOwn">;
  images: Pick<EdgeImages, "bring">;
  clock: Clock;
  /** Of this program alone: generated compose files. */
  folder: string;
};

/**
 * What HAProxy itself says of a configuration, in a container of the very image that is to run it, which may be another one
 * than that of the proxy that runs. In a project of its own: Compose may be set to remove what is not in its file.
 */
export async function checkConfiguration(
  { engine, compose, images, clock, folder }: CheckOptions,
  spec: ProxySpec,
  image: EdgeImage,
  file: string,
): Promise<string | undefined> {
  const own = { project: `${spec.project}-edge-check`, file: join(folder, "check.json") };
  await images.bring(image);
  // What a kill left.
  await clear();
  writeFileAtomically(own.file, checkFile(spec, image, file));
  await compose.createOwn(own, SERVICE, 1);
  try {
    const [made] = await ours();
    if (made === undefined)
      throw new DeployerError("edge", "Compose did not create a container to check the configuration");
    await engine.start(made.id);
    const deadline = clock.now() + DEADLINE_MS;
    for (;;) {
      const now = await engine.container(made.id);
      if (now?.state === "exited") {
        return now.exitCode === 0 ? undefined : complaintIn(await engine.logs(made.id, LINES));
      }
      if (now === undefined || clock.now() >= deadline)
        throw new DeployerError("edge", "the edge's configuration could not be checked in time");
      await clock.sleep(POLL_MS);
    }
  } finally {
    await clear();
  }

  async function ours() {
    const containers = await engine.containers(own.project);
    return containers.filter(({ labels }) => labels[LABELS.project] === spec.project);
  }

  async function clear(): Promise<void> {
    for (const { id } of await ours()) await engine.remove(id, { volumes: true });
  }
}
