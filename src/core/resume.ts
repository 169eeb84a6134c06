import { deploy } from "./deploy.ts";
import { type Deployment, type Outcome, servicesOf } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Ports } from "./ports.ts";
import { isCommitted, progressOf, saveProgress } from "./progress.ts";
import { bringBack, diagnoseCandidates, goBack } from "./roll-back.ts";
import { switchOver } from "./rollout.ts";
import { tidyUp } from "./tidy-up.ts";
import { tryTo } from "./try-to.ts";

/** How often a deployment is begun before it is given up: it may be what kills the daemon. */
const ATTEMPTS = 3;

const GIVEN_UP = `it was begun ${ATTEMPTS} times, and the daemon stopped each time`;

const INTERRUPTED = {
  code: "interrupted",
  message: "interrupted: the daemon stopped before the deployment could end",
} as const;

/**
 * Takes up a deployment that the last run of the daemon left unfinished, from what is on disk and what Docker has:
 * - committed: tidied up, `succeeded`
 * - what serves may have been touched: carried to its end, on the way it was going; forward three times at most
 * - before that: its new containers are removed and it begins again, three times at most
 *
 * By names and the recorded configuration alone: neither way may depend on a compose file that somebody has broken or
 * changed meanwhile. It never throws.
 */
export async function resume(deployment: Deployment, ports: Ports, signal: AbortSignal): Promise<Outcome> {
  const project = { name: ports.store.projectName() ?? "" };
  const progress = progressOf(deployment, ports);
  if (servicesOf(deployment).some((service) => ports.edge.isRouted(service)))
    await tryTo("the edge is not as it was", deployment, ports, () => ports.edge.rejoin());
  if (isCommitted(deployment, ports)) return await tidyUp(deployment, project, [], ports);
  switch (progress.stage) {
    case "switching": {
      const source = { recorded: progress.plans[0]?.version.recorded ?? "" };
      const rollout = { deployment, project, source, ports, signal, complaints: new Map() };
      if (deployment.attempts > ATTEMPTS)
        return await goBack(new DeployerError("interrupted", GIVEN_UP), rollout);
      return await switchOver(rollout);
    }
    case "going_back":
      await diagnoseCandidates(deployment, project, new Map(), ports);
      return await bringBack(progress.failure ?? INTERRUPTED, deployment, project, ports);
    case "preparing":
      return await beginAgain(deployment, ports, signal);
  }
}

async function beginAgain(deployment: Deployment, ports: Ports, signal: AbortSignal): Promise<Outcome> {
  const project = { name: ports.store.projectName() ?? "" };
  const undone = await bringBack(INTERRUPTED, deployment, project, ports);
  if (undone.status === "rollback_failed") return undone;
  if (deployment.attempts > ATTEMPTS) {
    const reason = `${undone.reason}\n${GIVEN_UP}`;
    return { ...undone, status: "failed", reason };
  }
  ports.journal.event(deployment.id, "log", "info", "nothing that serves was touched, beginning again");
  saveProgress(deployment, { plans: [], failure: undefined }, ports);
  return await deploy(deployment, ports, signal);
}
