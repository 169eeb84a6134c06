import { DeployerError } from "./errors.ts";
import { fetchImage } from "./fetch-image.ts";
import { parseImage } from "./image.ts";
import type { Ports } from "./ports.ts";
import type { Pin } from "./store.ts";

/**
 * Brings to this host what a service ran by an earlier decision. Never something new: its digest counts, whatever a text
 * without one names by now; containers are created with that text, so it must name the same image.
 * Errors: `image_not_found`, when it names another one or none; `disk_full`, and those of the registry.
 * @param deployment that needs it
 * @param platform of the compose file
 */
export async function bringRecordedImage(
  { service, imageText, digest }: Pick<Pin, "service" | "imageText" | "digest">,
  deployment: string,
  platform: string | undefined,
  ports: Pick<Ports, "store" | "engine" | "registry" | "disk" | "journal">,
  signal: AbortSignal,
): Promise<void> {
  const image = parseImage(imageText);
  if (image === undefined)
    throw new DeployerError("internal", `what "${service}" ran names no image: ${imageText}`);
  const wanted = `${image.name}@${digest}`;
  if ((await ports.engine.imageId(wanted)) === undefined)
    await fetchImage(deployment, image, digest, platform, ports, signal);
  const named = await ports.engine.imageId(imageText);
  if (named === (await ports.engine.imageId(wanted))) return;
  throw new DeployerError(
    "image_not_found",
    `service "${service}" ran ${wanted}, and ${imageText} is ${named === undefined ? "not" : "another image"} on this host: deploy it again, or docker tag ${wanted} ${imageText}`,
  );
}
