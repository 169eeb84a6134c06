import { containersOf, describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import type { Container, Engine, Ports, Project } from "./ports.ts";

/** A line for each service on what serves now, asked of Docker, not assumed. */
export async function describeServing(names: readonly string[], ports: Ports): Promise<string> {
  try {
    const project = await ports.compose.project();
    const lines = await Promise.all(names.map((name) => describeOne(name, project, ports.engine)));
    const of = (name: string): string => (names.length === 1 ? "" : ` of "${name}"`);
    return lines.map((line, index) => `what serves now${of(names[index] ?? "")}: ${line}`).join("\n");
  } catch {
    return "what serves now could not be found out: Docker or the compose file cannot be read";
  }
}

async function describeOne(name: string, project: Project, engine: Engine): Promise<string> {
  const service = project.services.get(name);
  if (service === undefined) return `nothing, the compose file has no service "${name}"`;
  const containers = await containersOf(project, service, engine);
  const up = containers.filter((container) => isRunning(container) || isFinished(container));
  if (up.length > 0) return up.map(describe).join(", ");
  const [stopped] = containers;
  if (stopped === undefined) return `nothing, "${name}" has no container`;
  return `nothing, container ${shortId(stopped)} of "${name}" ${describeEnd(stopped)}`;
}

function describe(container: Container): string {
  return `${container.imageText} in container ${shortId(container)}`;
}
