import { containersOf } from "./containers.ts";
import { dependenciesOf, dependencyCounts } from "./dependencies.ts";
import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Named, Ports, Project, Service, Source } from "./ports.ts";
import { savePlan } from "./progress.ts";
import { recreate } from "./recreate.ts";
import type { Plan } from "./store.ts";

/** Creates the new containers of a service beside the old ones, not started. Errors: `rollout`. */
export async function createBeside(
  deployment: Deployment,
  plan: Plan,
  project: Project,
  service: Service,
  source: Source,
  ports: Ports,
): Promise<Plan> {
  const old = await containersOf(project, service, ports.engine);
  await ports.compose.createBeside(source, service.name, old.length + plan.replicas, () =>
    dependencyCounts(project, service, ports.engine),
  );
  // Compose may have been told of a leftover, or a person have been at work since: only what came now is ours.
  const known = old.map(({ id }) => id);
  return await noteCandidates(
    deployment,
    { ...plan, before: { ...plan.before, all: known } },
    project,
    ports,
  );
}

/**
 * Has Compose replace the containers of a service by new ones, not started; the old ones stop and are gone. What an
 * earlier attempt has finished is not done again. Errors: `rollout`.
 */
export async function createInPlace(
  deployment: Deployment,
  plan: Plan,
  project: Named,
  source: Source,
  withDependencies: () => Promise<boolean>,
  ports: Ports,
): Promise<Plan> {
  const service = { name: plan.service };
  const own = await containersOf(project, service, ports.engine);
  const isDone = own.length === plan.replicas && own.every(({ id }) => !plan.before.all.includes(id));
  if (!isDone) await recreate(source, project, service, withDependencies, ports);
  return await noteCandidates(deployment, plan, project, ports);
}

async function noteCandidates(
  deployment: Deployment,
  plan: Plan,
  project: Named,
  ports: Ports,
): Promise<Plan> {
  const now = await containersOf(project, { name: plan.service }, ports.engine);
  const created = now.filter(({ id }) => !plan.before.all.includes(id));
  if (created.length < plan.replicas) {
    throw new DeployerError(
      "rollout",
      `Compose created ${created.length} of ${plan.replicas} containers of service "${plan.service}"`,
    );
  }
  const noted = { ...plan, candidates: created.map(({ id, networks }) => ({ id, networks })) };
  savePlan(deployment, noted, ports);
  return noted;
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
