import { DeployerError } from "./errors.ts";
import { parseImage, tagOrDigest } from "./image.ts";
import type { ImageTexts, Service } from "./compose.ts";
import type { Ports } from "./ports.ts";

/**
 * Makes sure that the image a service is created from is on this host, as a plain `docker compose up` would, but never built.
 * Errors: `image_not_found` for an image to be built here, and those of the registry.
 */
export async function bringImage(
  service: Service,
  images: ImageTexts,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  const text = images.get(service.name) ?? service.image ?? service.builtImage;
  if ((await ports.engine.imageId(text)) !== undefined) return;
  if (service.image === undefined) {
    throw new DeployerError(
      "image_not_found",
      `image ${text} of service "${service.name}" is not built yet: run docker compose build`,
    );
  }
  const image = parseImage(text);
  if (image === undefined) {
    throw new DeployerError(
      "compose_file",
      `service "${service.name}": ${JSON.stringify(text)} is not an image reference`,
    );
  }
  await ports.registry.pull(image, tagOrDigest(image), signal);
}
