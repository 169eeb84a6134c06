import type { ImageTexts, Log, Pin, Project, Store } from "./ports.ts";

/**
 * The pins that still hold. Where the operator has changed the image in the compose file, or removed the service,
 * the file's word is the newer decision: that pin is dropped, and the log says so.
 */
export function currentPins(project: Project, store: Store, log: Log): Pin[] {
  return store.pins().filter((pin) => {
    const image = project.services.get(pin.service)?.image;
    if (image === pin.fileImage) return true;
    store.dropPin(pin.service);
    log.warn("pin dropped: the compose file names another image now", {
      service: pin.service,
      pinned: pin.imageText,
      image_then: pin.fileImage,
      image_now: image ?? null,
    });
    return false;
  });
}

export function imageTexts(pins: Pin[]): Map<string, string> {
  return new Map(pins.map((pin) => [pin.service, pin.imageText]));
}

/** The same texts with one of them replaced. */
export function withImage(texts: ImageTexts, service: string, imageText: string): Map<string, string> {
  return new Map([...texts, [service, imageText]]);
}
