import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { type ImageReference, parseImage } from "./image.ts";
import type { Ports, Service } from "./ports.ts";

/** What a deployment wants to run. */
export type Target = {
  service: Service;
  /** What the compose file says now. */
  fileImage: string;
  image: ImageReference;
  /** `sha256:…`: decided once, so that what was pulled is what runs, whatever the tag does meanwhile. */
  digest: string;
};

/** Decides what to roll out; asks the registry unless the caller or the file named a digest. */
export async function resolveTarget(
  deployment: Deployment,
  service: Service,
  { registry }: Ports,
  signal: AbortSignal,
): Promise<Target> {
  const fileImage = service.image ?? service.builtImage;
  const text = deployment.image ?? fileImage;
  const image = parseImage(text);
  if (image === undefined) {
    throw new DeployerError(
      "compose_file",
      `service "${service.name}": ${JSON.stringify(text)} is not an image reference`,
    );
  }
  return { service, fileImage, image, digest: image.digest ?? (await registry.resolve(image, signal)) };
}
