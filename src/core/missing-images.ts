import type { Ports } from "./ports.ts";
import { imageTexts } from "./pins.ts";

/** Services that should run but have neither a container nor an image on this host, with the image they wait for. */
export async function missingImages({ compose, engine, store }: Ports): Promise<Map<string, string>> {
  const project = await compose.project();
  const pinned = imageTexts(store.pins());
  const present = new Set((await engine.containers(project.name)).map(({ service }) => service));
  const missing = new Map<string, string>();
  for (const service of project.services.values()) {
    const isWanted = service.startedByDefault || pinned.has(service.name);
    if (!isWanted || service.replicas === 0 || present.has(service.name)) continue;
    const image = pinned.get(service.name) ?? service.image ?? service.builtImage;
    if ((await engine.imageId(image)) === undefined) missing.set(service.name, image);
  }
  return missing;
}
