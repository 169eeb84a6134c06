import { imageTexts, withImage } from "./pins.ts";
import type { ImageTexts, Service } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Origin } from "./store.ts";

/**
 * What a container was created from: as we noted it, or the compose file as it is now if Compose's own hash says so,
 * which is then noted. Undefined when neither is known.
 */
export async function originOf(
  container: Container,
  service: Service,
  images: ImageTexts,
  { store, compose }: Ports,
): Promise<Origin | undefined> {
  const known = store.origin(container.id);
  if (known !== undefined) return known;
  const recorded = await compose.record(withImage(images, service.name, container.imageText));
  if ((await compose.labelHash(recorded, service.name)) !== container.composeHash) return undefined;
  const origin = {
    container: container.id,
    service: service.name,
    configHash: service.configHash,
    recorded,
  };
  store.saveOrigins([origin]);
  return origin;
}

/**
 * Notes what containers were created from while it can still be told: once the operator has edited the file, it is the
 * only way back to what runs. `recorded` is where we created them from, if we did.
 */
export async function noteOrigins(
  containers: Container[],
  service: Service,
  recorded: string | undefined,
  ports: Ports,
): Promise<void> {
  const { store, log } = ports;
  for (const container of containers) {
    try {
      const origin = await originOf(container, service, imageTexts(store.pins()), ports);
      if (origin !== undefined) continue;
    } catch (error) {
      log.debug("could not compare a container with the compose file", { service: service.name, error });
    }
    if (recorded === undefined) continue;
    store.saveOrigins([{ container: container.id, service: service.name, configHash: "", recorded }]);
  }
}
