import { isFinished, isRunning } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import { originOf } from "./origins.ts";
import { imageTexts, withImage } from "./pins.ts";
import type { Container, ImageTexts, Ports } from "./ports.ts";
import type { Target } from "./target.ts";

/** Whether a rollout would put the same image and configuration in the place of what runs well already. */
export async function isUnchanged(
  target: Target,
  containers: Container[],
  pins: ImageTexts,
  ports: Ports,
): Promise<boolean> {
  if (containers.length !== target.service.replicas) return false;
  if (!containers.every((container) => isRunning(container) || isFinished(container))) return false;
  const imageId = await ports.engine.imageId(`${target.image.name}@${target.digest}`);
  if (!containers.every((container) => container.imageId === imageId)) return false;
  for (const container of containers) {
    if (!(await hasConfiguration(container, target, pins, ports))) return false;
  }
  return true;
}

/**
 * Records a deployment that changed nothing. The containers keep the image text they were created with, and the pin
 * takes it over: Compose would recreate them for another text of the same image.
 */
export async function keepUnchanged(
  deployment: Deployment,
  target: Target,
  containers: Container[],
  pins: ImageTexts,
  ports: Ports,
): Promise<void> {
  const { service, digest, fileImage } = target;
  const pinned = ports.store.pins().find((pin) => pin.service === service.name);
  const [container] = containers;
  if (container === undefined) return;
  const { imageText } = container;
  if (pinned?.digest === digest && pinned.imageText === imageText) return;

  const recorded = await ports.compose.record(withImage(pins, service.name, imageText));
  ports.store.commit(
    { service: service.name, imageText, fileImage, digest, recorded, deployment: deployment.id },
    containers.map(({ id }) => ({
      container: id,
      service: service.name,
      configHash: service.configHash,
      recorded,
    })),
  );
  await ports.compose.writePins(imageTexts(ports.store.pins()));
}

async function hasConfiguration(
  container: Container,
  { service }: Target,
  pins: ImageTexts,
  ports: Ports,
): Promise<boolean> {
  const origin = await originOf(container, service, pins, ports);
  return origin?.configHash === service.configHash;
}
