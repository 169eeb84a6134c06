import { containersOf, isFinished } from "./containers.ts";
import { dependencyCounts } from "./dependencies.ts";
import { dependenciesDrifted } from "./drift.ts";
import { DeployerError } from "./errors.ts";
import type { Project, Service } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { savePlan } from "./progress.ts";
import { recreate } from "./recreate.ts";
import type { Rollout } from "./rollout-under-way.ts";
import type { Candidate, Plan } from "./store.ts";
import { storyOf } from "./story.ts";

/** Creates the new containers of a service beside the old ones, not started. Errors: `rollout`. */
export async function createBeside(
  plan: Plan,
  project: Project,
  service: Service,
  rollout: Rollout,
): Promise<Plan> {
  const { deployment, source, ports } = rollout;
  const old = await containersOf(project, service, ports.engine);
  const what = `${service.name}: creating ${plan.replicas} beside ${old.length}`;
  storyOf(deployment, ports)("creating", what);
  await ports.compose.createBeside(source, service.name, old.length + plan.replicas, () =>
    dependencyCounts(source, project, service, ports),
  );
  // Compose may have been told of a leftover, or a person have been at work since: only what came now is ours.
  const known = old.map(({ id }) => id);
  return await noteCandidates({ ...plan, before: { ...plan.before, all: known } }, rollout);
}

/**
 * Has Compose replace the containers of a service by new ones, not started; the old ones stop and are gone. What an
 * earlier attempt has finished is not done again. Errors: `rollout`.
 */
export async function createInPlace(plan: Plan, rollout: Rollout): Promise<Plan> {
  const { project, source, ports } = rollout;
  const service = { name: plan.service };
  const withDependencies = async (): Promise<boolean> =>
    !(await dependenciesDrifted(service, plan.version.recorded, ports));
  const own = await containersOf(project, service, ports.engine);
  const isDone = own.length === plan.replicas && own.every(({ id }) => !plan.before.all.includes(id));
  if (!isDone) await recreate(source, project, service, withDependencies, ports);
  return await noteCandidates(plan, rollout);
}

/** Those to be started: a job that has ended with 0 already, before a kill of the daemon, does not run a second time. */
export async function notDone(candidates: readonly Candidate[], { engine }: Ports): Promise<Candidate[]> {
  const now = await Promise.all(candidates.map(({ id }) => engine.container(id)));
  return candidates.filter((_, index) => {
    const container = now[index];
    return container === undefined || !isFinished(container);
  });
}

async function noteCandidates(plan: Plan, { deployment, project, ports }: Rollout): Promise<Plan> {
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
