import type { ImageReference } from "./image.ts";
import type { Ports } from "./ports.ts";
import { assertRoom, watchRoom } from "./preflight.ts";

/**
 * Brings an image to this host for a deployment. What was not here before is noted before it is pulled, so that it goes
 * again when nothing needs it (`housekeeping.ts`), also after a kill; what was here stays whose it was. As long as the
 * deployment has not ended the image is not removed.
 * Errors: `disk_full`, and those of `Registry.pull`.
 * @param platform `os/architecture[/variant]` of the compose file
 */
export async function fetchImage(
  deployment: string,
  image: ImageReference,
  digest: string,
  platform: string | undefined,
  { store, engine, registry, disk }: Pick<Ports, "store" | "engine" | "registry" | "disk">,
  signal: AbortSignal,
): Promise<void> {
  const text = `${image.name}@${digest}`;
  store.claimImages(digest, deployment);
  const { rootDir } = await engine.info();
  if ((await engine.imageId(text)) === undefined) {
    assertRoom(text, rootDir, disk);
    store.noteImage({ repository: image.name, digest, deployment });
  }
  await registry.pull(image, digest, signal, { platform, onProgress: watchRoom(text, rootDir, disk) });
}
