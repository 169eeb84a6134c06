import { containersOf } from "./containers.ts";
import { dependenciesOf, dependencyCounts } from "./dependencies.ts";
import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Container, ImageTexts, Ports, Project, Service } from "./ports.ts";
import { recreate } from "./recreate.ts";

/** Creates the new containers of a service, not started: beside the old ones, or by Compose in their place. Errors: `rollout`. */
export async function createCandidates(
  deployment: Deployment,
  project: Project,
  service: Service,
  old: Container[],
  images: ImageTexts,
  recorded: string,
  ports: Ports,
): Promise<Container[]> {
  if (needsCompose(service, old)) {
    ports.store.saveSwitching(deployment.id);
    const withDependencies = async (): Promise<boolean> =>
      !(await dependenciesDrifted(project, service, recorded, ports));
    await recreate({ images }, project, service, withDependencies, ports);
  } else {
    const total = old.length + service.replicas;
    await ports.compose.createBeside({ images }, service.name, total, () =>
      dependencyCounts(project, service, ports.engine),
    );
  }
  const known = new Set(old.map(({ id }) => id));
  const now = await containersOf(project, service, ports.engine);
  const candidates = now.filter(({ id }) => !known.has(id));
  if (candidates.length < service.replicas) {
    throw new DeployerError(
      "rollout",
      `Compose created ${candidates.length} of ${service.replicas} containers of service "${service.name}"`,
    );
  }
  return candidates;
}

/**
 * A fixed name cannot be had twice, and only Compose's own recreate hands anonymous volumes on: such containers are
 * replaced by Compose, which stops and removes the old one itself.
 */
function needsCompose(service: Service, old: Container[]): boolean {
  return (
    (service.containerName !== undefined && old.length > 0) ||
    old.some((container) => container.anonymousVolumes.length > 0)
  );
}

/** Compose's recreate replaces dependencies that differ from the file, unless it is told to leave them all out. */
export async function dependenciesDrifted(
  project: Project,
  service: Service,
  recorded: string,
  { engine, compose, log }: Ports,
): Promise<boolean> {
  for (const dependency of dependenciesOf(project, service)) {
    const expected = await compose.labelHash(recorded, dependency.name);
    const containers = await containersOf(project, dependency, engine);
    let isAsInFile = containers.length === 0 || containers.length === dependency.replicas;
    for (const { composeHash, imageId, imageText } of containers) {
      isAsInFile &&= composeHash === expected && imageId === (await engine.imageId(imageText));
    }
    if (isAsInFile) continue;
    log.warn("a dependency differs from the compose file; the next plain docker compose up recreates it", {
      service: service.name,
      dependency: dependency.name,
    });
    return true;
  }
  return false;
}
