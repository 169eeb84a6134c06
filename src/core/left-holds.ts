import { servicesOf } from "./deployment.ts";
import type { Ports } from "./ports.ts";

/**
 * Lets go on the requests that a killed daemon has left waiting at the edge, those of a restart for one: first of all, with
 * neither Docker nor the compose file. Those of a deployment that is taken up are left to it. It never throws.
 */
export async function releaseLeftHolds({
  edge,
  store,
  log,
}: Pick<Ports, "edge" | "store" | "log">): Promise<void> {
  const takenUp = new Set(
    store.unfinished().flatMap((each) => (each.status === "running" ? servicesOf(each) : [])),
  );
  for (const service of edge.frontage()?.routes.keys() ?? []) {
    if (takenUp.has(service)) continue;
    try {
      const { held } = await edge.release(service);
      if (held > 0)
        log.info("requests that waited since before the start go on", { service, requests: held });
    } catch (error) {
      // A proxy that does not run holds nothing.
      log.debug("the edge could not be asked for waiting requests", { service, error });
    }
  }
}
