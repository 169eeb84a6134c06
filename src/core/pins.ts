import type { ImageTexts, Project } from "./compose.ts";
import type { Ports } from "./ports.ts";
import type { Pin } from "./store.ts";

/**
 * The pins that still hold. Where the operator has changed the image in the compose file, or removed the service,
 * the file's word is the newer decision: that pin is dropped, and the log says so.
 */
export async function currentPins(project: Project, { store, compose, log }: Ports): Promise<Pin[]> {
  const pins = store.pins();
  const imageNow = (pin: Pin): string | undefined => project.services.get(pin.service)?.image;
  const current = pins.filter((pin) => imageNow(pin) === pin.fileImage);
  for (const pin of pins) {
    if (current.includes(pin)) continue;
    store.dropPin(pin.service);
    log.warn("pin dropped: the compose file names another image now", {
      service: pin.service,
      pinned: pin.imageText,
      image_then: pin.fileImage,
      image_now: imageNow(pin) ?? null,
    });
  }
  if (current.length < pins.length) await compose.writePins(imageTexts(current));
  return current;
}

export function imageTexts(pins: Pin[]): Map<string, string> {
  return new Map(pins.map((pin) => [pin.service, pin.imageText]));
}

/** The same texts with one of them replaced. */
export function withImage(texts: ImageTexts, service: string, imageText: string): Map<string, string> {
  return new Map([...texts, [service, imageText]]);
}
