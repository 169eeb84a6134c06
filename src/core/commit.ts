import type { Deployment } from "./deployment.ts";
import type { Clock } from "./ports.ts";
import type { Commit, Version } from "./store.ts";

/** What becomes true when a service runs a version for good. */
export function commitOf(
  deployment: Deployment,
  version: Omit<Version, "deployment" | "committedAt">,
  containers: readonly { id: string }[],
  clock: Clock,
): Commit {
  const { service, imageText, fileImage, digest, recorded, configHash } = version;
  return {
    pin: { service, imageText, fileImage, digest, recorded, deployment: deployment.id },
    version: { ...version, deployment: deployment.id, committedAt: clock.now() },
    origins: containers.map(({ id }) => ({ container: id, service, configHash, recorded })),
  };
}
