import { containersOf } from "./containers.ts";
import { type Deployment, type Outcome, servicesOf } from "./deployment.ts";
import { diagnose } from "./diagnosis.ts";
import { type ErrorCode, errorCode, publicMessage } from "./errors.ts";
import type { Complaints } from "./gate.ts";
import { removeEdgeAgain } from "./first-move.ts";
import { letFailedEnd, sendToOld, settleRequests } from "./hand-over.ts";
import { bringRoutesBack } from "./lost-routes.ts";
import { hideFromPeers } from "./names.ts";
import type { Named } from "./compose.ts";
import type { Engine } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { persist } from "./persist.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { restore } from "./restore.ts";
import type { Rollout } from "./rollout-under-way.ts";
import { describeServing } from "./serving.ts";
import { renewSharersOf } from "./sharers.ts";
import type { Plan, Progress } from "./store.ts";
import { tryTo } from "./try-to.ts";

/** How long the way back waits for Docker. */
const DOCKER_RETURNS_WITHIN_MS = 300_000;
const ASK_DOCKER_EVERY_MS = 1_000;

/**
 * The way back of all services after `cause`: new containers away, old ones up and well again. It never throws: a
 * rollback that fails is an outcome too, the one that needs a person.
 */
export async function goBack(
  cause: unknown,
  { deployment, project, complaints, ports }: Rollout,
): Promise<Outcome> {
  const failure = { code: errorCode(cause), message: publicMessage(cause) };
  ports.log.error("rollout failed, going back", { deployment: deployment.id, error: cause });
  ports.journal.event(deployment.id, "going_back", "error", failure.message);
  const hasSwitched = progressOf(deployment, ports).stage === "switching";
  await hideCandidates(deployment, ports);
  const { plans } = progressOf(deployment, ports);
  if (hasSwitched) await Promise.all(plans.map((plan) => sendToOld(plan, deployment, ports)));
  await tryTo("the way back could not be written down", deployment, ports, async () =>
    saveProgress(deployment, { failure, ...(hasSwitched ? { stage: "going_back" } : {}) }, ports),
  );
  await diagnoseCandidates(deployment, project, complaints, ports);
  return await bringBack(failure, deployment, project, ports);
}

/** As `goBack` from where it is on disk; called again after a kill. One service that cannot go back holds up no other. */
export async function bringBack(
  failure: { code: ErrorCode; message: string },
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<Outcome> {
  const { plans, stage, diagnoses } = progressOf(deployment, ports);
  const digests = new Map(plans.map(({ service, version }) => [service, version.digest]));
  const outcome = { digests, diagnoses, code: failure.code };
  let touched = false;
  const notes: string[] = [];
  const stuck: string[] = [];
  const dockerUntil = ports.clock.now() + DOCKER_RETURNS_WITHIN_MS;
  for (const plan of plans.toReversed()) {
    try {
      if (stage !== "preparing") {
        await sendToOld(plan, deployment, ports);
        await letFailedEnd(plan, deployment, ports);
      }
      const isRestored = await withDocker(dockerUntil, ports, () => restoreOne(plan, stage, project, ports));
      const wasStopped =
        isRestored ||
        (stage !== "preparing" &&
          (await withDocker(dockerUntil, ports, () => runsSince(deployment, plan, ports))));
      if (wasStopped) notes.push(...(await renewSharersOf(plan.service, ports)));
      // Without an edge, a new container may have its port as long as one is left.
      if (ports.edge.frontage() !== undefined)
        notes.push(...(await bringRoutesBack(deployment, project, ports)));
      const wasBeside =
        stage !== "preparing" && plan.strategy === "rolling" && plan.before.running.length > 0;
      touched ||= wasStopped || wasBeside;
      if (stage !== "preparing")
        await settleRequests(plan.service, plan.before.recorded, deployment, project, ports);
    } catch (error) {
      const { service } = plan;
      ports.log.error("rollback failed: a person is needed", { deployment: deployment.id, service, error });
      stuck.push(publicMessage(error));
      await ports.edge.release(service).catch(() => undefined);
    }
  }
  try {
    notes.push(...(await bringRoutesBack(deployment, project, ports)));
  } catch (error) {
    ports.log.error("what the edge had is not back: a person is needed", {
      deployment: deployment.id,
      error,
    });
    stuck.push(publicMessage(error));
  }
  const serving = await describeServing(servicesOf(deployment), ports);
  if (stuck.length > 0) {
    const why = `the rollback failed too, a person is needed: ${stuck.join("; ")}`;
    const reason = [failure.message, why, serving, ...notes].join("\n");
    return { ...outcome, status: "rollback_failed", changed: true, reason };
  }
  const reason = [failure.message, serving, ...notes].join("\n");
  return { ...outcome, status: touched ? "rolled_back" : "failed", changed: false, reason };
}

/** A way back that was killed in the middle may have started old ones again already: they were stopped all the same. */
async function runsSince(
  { startedAt = Infinity }: Deployment,
  { before }: Plan,
  ports: Ports,
): Promise<boolean> {
  for (const id of before.running) {
    const container = await ports.engine.container(id);
    if (container !== undefined && Date.parse(container.startedAt) > startedAt) return true;
  }
  return false;
}

/** First of all: from then on peers reach the old version only. One that somebody has removed keeps no other in their sight. */
async function hideCandidates(deployment: Deployment, ports: Ports): Promise<void> {
  const rolling = progressOf(deployment, ports).plans.filter(({ strategy }) => strategy === "rolling");
  for (const candidate of rolling.flatMap(({ candidates }) => candidates))
    await tryTo("a candidate could not be hidden", deployment, ports, () => hideFromPeers(candidate, ports));
}

/** Once; a way back that was killed before it came to that makes up for it. */
export async function diagnoseCandidates(
  deployment: Deployment,
  project: Named,
  complaints: Complaints,
  ports: Ports,
): Promise<void> {
  const { plans, diagnoses } = progressOf(deployment, ports);
  if (diagnoses.length > 0) return;
  await tryTo("what failed could not be looked at", deployment, ports, async () => {
    for (const { service, before } of plans) {
      for (const { id } of await containersOf(project, { name: service }, ports.engine))
        if (!before.all.includes(id)) await diagnose(deployment, id, complaints, ports);
    }
  });
}

/** @returns whether anything that served had to be started again */
async function restoreOne(
  plan: Plan,
  stage: Progress["stage"],
  project: Named,
  ports: Ports,
): Promise<boolean> {
  const { before, service } = plan;
  if (stage !== "preparing")
    await removeEdgeAgain(plan, ports).catch((error: unknown) =>
      ports.log.warn("the edge has a port that an old container needs", { service, error }),
    );
  return await restore(before, project, { name: service }, ports);
}

/** The way back waits for a Docker that is being restarted: half of it would leave both versions to come back. */
async function withDocker<T>(deadline: number, ports: Ports, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await persist(work, ports.clock);
    } catch (error) {
      if (ports.clock.now() >= deadline || (await answers(ports.engine))) throw error;
      await ports.clock.sleep(ASK_DOCKER_EVERY_MS);
    }
  }
}

async function answers(engine: Engine): Promise<boolean> {
  return await engine.ping().then(
    () => true,
    () => false,
  );
}
