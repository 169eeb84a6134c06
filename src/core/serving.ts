import { containersOf, describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import type { Container, Ports } from "./ports.ts";

/** One line on what serves now, asked of Docker, not assumed. */
export async function describeServing(name: string, { compose, engine }: Ports): Promise<string> {
  try {
    const project = await compose.project();
    const service = project.services.get(name);
    if (service === undefined) return `the compose file has no service "${name}"`;
    const containers = await containersOf(project, service, engine);
    const up = containers.filter((container) => isRunning(container) || isFinished(container));
    if (up.length > 0) return `what serves now: ${up.map(describe).join(", ")}`;
    const [stopped] = containers;
    if (stopped === undefined) return `what serves now: nothing, "${name}" has no container`;
    return `what serves now: nothing, container ${shortId(stopped)} of "${name}" ${describeEnd(stopped)}`;
  } catch {
    return "what serves now could not be found out: Docker or the compose file cannot be read";
  }
}

function describe(container: Container): string {
  return `${container.imageText} in container ${shortId(container)}`;
}
