import { containersOf, describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import type { Named } from "./compose.ts";
import type { Container, Engine } from "./engine.ts";
import type { Ports } from "./ports.ts";

/**
 * A line for each service on what serves now, asked of Docker, not assumed; and not of the compose file, which may be what is
 * broken.
 */
export async function describeServing(names: readonly string[], ports: Ports): Promise<string> {
  try {
    const project = { name: ports.store.projectName() ?? (await ports.compose.project()).name };
    const lines = await Promise.all(names.map((name) => describeOne({ name }, project, ports.engine)));
    const of = (name: string): string => (names.length === 1 ? "" : ` of "${name}"`);
    return lines.map((line, index) => `what serves now${of(names[index] ?? "")}: ${line}`).join("\n");
  } catch {
    return "what serves now could not be found out: Docker cannot be reached";
  }
}

async function describeOne(service: Named, project: Named, engine: Engine): Promise<string> {
  const containers = await containersOf(project, service, engine);
  const up = containers.filter((container) => isRunning(container) || isFinished(container));
  if (up.length > 0) return up.map(describe).join(", ");
  const [stopped] = containers;
  if (stopped === undefined) return `nothing, "${service.name}" has no container`;
  return `nothing, container ${shortId(stopped)} of "${service.name}" ${describeEnd(stopped)}`;
}

function describe(container: Container): string {
  return `${container.imageText} in container ${shortId(container)}`;
}
