import type { Container, Engine } from "../core/engine.ts";
import { LABELS, SERVICE } from "./definition.ts";
import type { EdgeImage } from "./image.ts";

/** A container of a proxy. */
export type Generation = {
  number: number;
  container: Container;
  /** What it was made from. */
  definition: string;
  image: EdgeImage;
  isRunning: boolean;
};

/** The compose project that the proxy of a project is in. */
export function proxyProject(project: string): string {
  return `${project}-edge`;
}

/** How many containers Compose sees when it is told a number of them. */
export async function countFor(engine: Pick<Engine, "containers">, project: string): Promise<number> {
  const containers = await engine.containers(proxyProject(project));
  return containers.filter(({ service, oneOff }) => service === SERVICE && !oneOff).length;
}

/** The proxies of a project, newest first. A project of the user's that has the same name is left alone: its containers lack our labels. */
export async function generationsOf(
  engine: Pick<Engine, "containers">,
  project: string,
): Promise<Generation[]> {
  const containers = await engine.containers(proxyProject(project));
  return containers
    .filter(({ service, labels }) => service === SERVICE && labels[LABELS.project] === project)
    .map((container) => ({
      number: Number(container.labels[LABELS.generation]) || 0,
      container,
      definition: container.labels[LABELS.definition] ?? "",
      image: { asked: container.labels[LABELS.asked] ?? "", pinned: container.imageText },
      isRunning: container.state === "running",
    }))
    .toSorted((a, b) => b.number - a.number);
}
