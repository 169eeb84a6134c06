import { sendToRunning } from "./send-to-running.ts";
import type { Project, Service } from "./compose.ts";
import type { Ports } from "./ports.ts";

/**
 * Does something to one container of a service that visitors do not notice: behind the edge its other containers answer
 * meanwhile, or requests wait while it is the only one; what it has begun ends first. Afterwards requests go to what runs.
 * Errors: those of `work`, `edge`.
 */
export async function unnoticed(
  container: string,
  project: Project,
  service: Service,
  ports: Ports,
  work: () => Promise<void>,
): Promise<void> {
  const { edge } = ports;
  const { name, settings } = service;
  if (!edge.isRouted(name)) return await work();
  const others = edge.direction(name).serving.filter((server) => server.container !== container);
  try {
    if (others.length > 0) {
      await edge.direct(name, { serving: others, standby: [] }, "one");
      await edge.drained(name, [container], settings.drainMs);
    } else if (settings.holdMs > 0) {
      await edge.hold(name, { ms: settings.holdMs, max: settings.holdMax });
      await edge.drained(name, [container], Math.min(settings.drainMs, settings.holdMs / 2));
    }
    await work();
    await sendToRunning(project, service, ports);
  } finally {
    await edge.release(name);
  }
}
