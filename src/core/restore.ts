import { containersOf, isKeptUp } from "./containers.ts";
import type { Before, Container, Ports, Project, Service } from "./ports.ts";
import { startAndStay } from "./stay-running.ts";

/**
 * Brings a service back to what ran before: the old containers themselves where they still exist,
 * else new ones from the recorded configuration. Whatever else the service has is removed. Safe to repeat.
 * @returns whether anything that served had to be started again
 */
export async function restore(
  before: Before,
  project: Project,
  service: Service,
  ports: Ports,
): Promise<boolean> {
  const own = await containersOf(project, service, ports.engine);
  const candidates = own.filter((container) => !before.all.includes(container.id));
  const old = own.filter((container) => before.running.includes(container.id));
  for (const candidate of candidates) await ports.engine.stop(candidate.id);

  const wereReplaced = before.all.length > 0 && candidates.length === own.length;
  if (old.length === before.running.length && !wereReplaced) {
    const stopped = old.filter((container) => !isKeptUp(container));
    await remove(candidates, { volumes: true }, ports);
    await startAndStay(stopped, ports);
    return stopped.length > 0;
  }
  await ports.compose.recreate({ recorded: before.recorded }, service.name, { withDependencies: false });
  if (before.running.length === 0) return false;
  await startAndStay(await containersOf(project, service, ports.engine), ports);
  return true;
}

export async function remove(
  containers: Container[],
  options: { volumes: boolean },
  { engine }: Ports,
): Promise<void> {
  for (const container of containers) await engine.remove(container.id, options);
}
