import { containersOf } from "./containers.ts";
import { dependenciesOf } from "./dependencies.ts";
import type { Named } from "./compose.ts";
import type { Ports } from "./ports.ts";

/** Compose's recreate replaces dependencies that differ from the file, unless it is told to leave them all out. */
export async function dependenciesDrifted(
  { name }: Named,
  recorded: string,
  { engine, compose, log }: Ports,
): Promise<boolean> {
  const project = await compose.recorded(recorded);
  const service = project.services.get(name);
  for (const dependency of service === undefined ? [] : dependenciesOf(project, service)) {
    const expected = await compose.labelHash(recorded, dependency.name);
    const containers = await containersOf(project, dependency, engine);
    let isAsInFile = containers.length === 0 || containers.length === dependency.replicas;
    for (const { composeHash, imageId, imageText } of containers) {
      isAsInFile &&= composeHash === expected && imageId === (await engine.imageId(imageText));
    }
    if (isAsInFile) continue;
    log.warn("a dependency differs from the compose file; the next plain docker compose up recreates it", {
      service: name,
      dependency: dependency.name,
    });
    return true;
  }
  return false;
}
