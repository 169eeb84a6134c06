import type { Engine, Registry } from "./engine.ts";

/**
 * Lets a pull wait for the removals that have begun: it would find an image "on this host already" that is gone a moment
 * later. What begins after it has been claimed (`claimImages`) is not removed.
 */
export function pullAfterRemovals<E extends Pick<Engine, "removeImage">>(
  engine: E,
  registry: Registry,
): { engine: E; registry: Registry } {
  let removals: Promise<unknown> = Promise.resolve();
  return {
    engine: {
      ...engine,
      removeImage(name) {
        const removal = engine.removeImage(name);
        // Without its results: they would hold those of all removals before.
        removals = Promise.allSettled([removals, removal]).then(() => undefined);
        return removal;
      },
    },
    registry: {
      ...registry,
      async pull(image, tagOrDigest, signal, options) {
        await removals;
        await registry.pull(image, tagOrDigest, signal, options);
      },
    },
  };
}
