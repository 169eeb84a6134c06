import { runBefore } from "./before-commands.ts";
import { startDependencies } from "./dependencies.ts";
import { type Deployment, nameOf, type Outcome, servicesOf } from "./deployment.ts";
import { errorCode, publicMessage } from "./errors.ts";
import { applyEdgeFor } from "./first-move.ts";
import { bringRoutesBack } from "./lost-routes.ts";
import { sendToRunning } from "./send-to-running.ts";
import { chooseStrategies } from "./plan.ts";
import type { Service } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { progressOf } from "./progress.ts";
import { rollOut } from "./rollout.ts";
import { describeServing } from "./serving.ts";
import { storyOf } from "./story.ts";
import { bringGoal, type Goal, type Target } from "./target.ts";
import { keepUnchanged, splitUnchanged } from "./unchanged.ts";

/**
 * One deployment from its turn in the queue to its outcome. It never throws: a failure is an outcome too.
 * Up to `rollOut` no container that serves has been touched. When `signal` aborts, it ends before its next step.
 */
export async function deploy(deployment: Deployment, ports: Ports, signal: AbortSignal): Promise<Outcome> {
  const tell = storyOf(deployment, ports);
  let digests = new Map<string, string>();
  try {
    const goal = await bringGoal(deployment, ports, signal);
    digests = new Map(goal.targets.map(({ service, digest }) => [service.name, digest]));
    const { changed, unchanged } = await splitUnchanged(deployment, goal, ports);
    const replaced = new Set(changed.map(({ service }) => service.name));
    const bringEdge = await applyEdgeFor(deployment, goal.project, replaced, ports);
    if (unchanged.length > 0)
      tell("unchanged", `${namesOf(unchanged)}: the same image and configuration run already`);
    // Routes are no part of a configuration: a service may have come in front only now.
    for (const { service } of unchanged) await sendToRunning(goal.project, service, ports);
    if (changed.length === 0) {
      await keepUnchanged(deployment, goal, unchanged, ports);
      return { status: "succeeded", changed: false, digests, diagnoses: [], reason: "", code: undefined };
    }

    const next: Goal = { ...goal, targets: changed };
    const strategies = await chooseStrategies(deployment, next, bringEdge, ports);
    await runBefore(deployment, next, ports, signal);
    for (const { service } of changed) {
      tellDependencies(deployment, service, ports);
      await startDependencies(goal.project, service, goal.images, ports, signal, replaced);
    }
    const outcome = await rollOut(deployment, strategies, next, ports, signal);
    if (outcome.status === "succeeded") await keepUnchangedToo(deployment, goal, unchanged, ports);
    // Those of what did not change, too.
    return { ...outcome, digests };
  } catch (error) {
    return await failed(error, deployment, digests, ports);
  }
}

function namesOf(targets: readonly Target[]): string {
  return targets.map(({ service }) => service.name).join(", ");
}

/** What was rolled out is committed: nothing makes a failure of it any more. */
async function keepUnchangedToo(
  deployment: Deployment,
  goal: Goal,
  unchanged: readonly Target[],
  ports: Ports,
): Promise<void> {
  await keepUnchanged(deployment, goal, unchanged, ports).catch((error: unknown) => {
    const what = `${namesOf(unchanged)}: what runs unchanged could not be recorded: ${publicMessage(error)}`;
    ports.journal.event(deployment.id, "log", "warn", what);
    ports.log.warn("what runs unchanged could not be recorded", { deployment: deployment.id, error });
  });
}

function tellDependencies(deployment: Deployment, { dependsOn }: Service, ports: Ports): void {
  if (dependsOn.length === 0) return;
  const names = dependsOn.map(({ service }) => service).join(", ");
  storyOf(deployment, ports)("dependencies", `seeing to what it depends on: ${names}`);
}

async function failed(
  error: unknown,
  deployment: Deployment,
  digests: ReadonlyMap<string, string>,
  ports: Ports,
): Promise<Outcome> {
  ports.log.error("deployment failed", { deployment: deployment.id, service: nameOf(deployment), error });
  const notes = await routesBack(deployment, ports);
  return {
    status: "failed",
    changed: false,
    digests,
    diagnoses: progressOf(deployment, ports).diagnoses,
    code: errorCode(error),
    reason: [publicMessage(error), await describeServing(servicesOf(deployment), ports), ...notes].join("\n"),
  };
}

async function routesBack(deployment: Deployment, ports: Ports): Promise<string[]> {
  try {
    return await bringRoutesBack(deployment, { name: ports.store.projectName() ?? "" }, ports);
  } catch (error) {
    return [`what the edge had is not back, a person is needed: ${publicMessage(error)}`];
  }
}
