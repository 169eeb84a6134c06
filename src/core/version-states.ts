import type { Engine } from "./engine.ts";
import type { Pin, Version } from "./store.ts";

/** A version that a service can go back to, as far as this host still has it. */
export type VersionState = Pick<Version, "deployment" | "imageText" | "digest" | "committedAt"> & {
  /** `missing`: going back to it needs the registry. */
  image: "present" | "missing";
  /** It is what the service runs by decision of its pin. */
  isCurrent: boolean;
};

/**
 * @param local ids of the images of this host
 * @param pin of the service, while it holds
 */
export async function versionStates(
  versions: readonly Version[],
  local: ReadonlySet<string>,
  pin: Pin | undefined,
  engine: Engine,
): Promise<VersionState[]> {
  const states: VersionState[] = [];
  for (const { deployment, imageText, digest, imageId, committedAt } of versions) {
    // Another image store of Docker gives another id to the same image.
    const isPresent = local.has(imageId) || (await engine.imageId(imageText)) !== undefined;
    states.push({
      deployment,
      imageText,
      digest,
      committedAt,
      image: isPresent ? "present" : "missing",
      isCurrent: deployment === pin?.deployment,
    });
  }
  return states;
}
