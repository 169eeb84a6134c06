import type { PullProgress } from "./engine.ts";
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
  {
    store,
    engine,
    registry,
    disk,
    journal,
  }: Pick<Ports, "store" | "engine" | "registry" | "disk" | "journal">,
  signal: AbortSignal,
): Promise<void> {
  const text = `${image.name}@${digest}`;
  store.claimImages(digest, deployment);
  const { rootDir } = await engine.info();
  if ((await engine.imageId(text)) === undefined) {
    assertRoom(text, rootDir, disk);
    store.noteImage({ repository: image.name, digest, deployment });
  }
  const shown = image.tag === undefined ? image.name : `${image.name}:${image.tag}`;
  const assertFits = watchRoom(text, rootDir, disk);
  const onProgress = (progress: PullProgress): void => {
    assertFits(progress);
    journal.pulling(deployment, shown, progress);
  };
  try {
    await registry.pull(image, digest, signal, { platform, onProgress });
  } finally {
    journal.pulling(deployment, shown, undefined);
  }
}
