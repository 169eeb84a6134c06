import { commitOf } from "./commit.ts";
import { containersOf, isFinished, isRunning } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import { originOf } from "./origins.ts";
import { imageTexts, withImage } from "./pins.ts";
import type { ImageTexts } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Goal, Target } from "./target.ts";
import { numberOf } from "./versions.ts";

/** The targets that need a rollout, and those whose image and configuration run well already. */
export async function splitUnchanged(
  { force }: Deployment,
  { project, targets, images }: Goal,
  ports: Ports,
): Promise<{ changed: Target[]; unchanged: Target[] }> {
  const changed: Target[] = [];
  const unchanged: Target[] = [];
  for (const target of targets) {
    const containers = await containersOf(project, target.service, ports.engine);
    const isSame = !force && (await runsAlready(target, containers, images, ports));
    (isSame ? unchanged : changed).push(target);
  }
  return { changed, unchanged };
}

/**
 * Records what a deployment did not have to change. The containers keep the image text they were created with, and the
 * pin takes it over: Compose would recreate them for another text of the same image.
 */
export async function keepUnchanged(
  deployment: Deployment,
  { project, images }: Goal,
  unchanged: readonly Target[],
  ports: Ports,
): Promise<void> {
  for (const target of unchanged) {
    const { service, digest, fileImage, image, version } = target;
    const containers = await containersOf(project, service, ports.engine);
    const [container] = containers;
    const pinned = ports.store.pins().find((pin) => pin.service === service.name);
    if (container === undefined) continue;
    const { imageText } = container;
    if (pinned?.digest === digest && pinned.imageText === imageText) continue;

    const recorded =
      version?.recorded ?? (await ports.compose.record(withImage(images, service.name, imageText)));
    const decided = {
      service: service.name,
      imageText,
      fileImage,
      digest,
      imageId: image.id,
      recorded,
      configHash: service.configHash,
      number: numberOf(target, ports.store.versions(service.name)),
    };
    ports.store.commit([commitOf(deployment, decided, containers, ports.clock)]);
  }
  if (unchanged.length > 0) await ports.compose.writePins(imageTexts(ports.store.pins()));
}

/** Whether a rollout would put the same image and configuration in the place of what runs well already. */
async function runsAlready(
  target: Target,
  containers: Container[],
  images: ImageTexts,
  ports: Ports,
): Promise<boolean> {
  const { service, image } = target;
  if (containers.length !== service.replicas) return false;
  for (const container of containers) {
    const isWell = isRunning(container) || isFinished(container);
    if (!isWell || container.health === "unhealthy" || container.imageId !== image.id) return false;
    const origin = await originOf(container, service, images, ports);
    if (origin?.configHash !== service.configHash) return false;
  }
  return true;
}
