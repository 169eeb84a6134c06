import { containersOf, isKeptUp } from "./containers.ts";
import { type Deployment, end, type Outcome } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import type { Ports } from "./ports.ts";
import type { Before } from "./store.ts";
import { remove, restore } from "./restore.ts";
import { describeServing } from "./serving.ts";
import { renewSharersOf } from "./sharers.ts";
import { tellEnd } from "./story.ts";

/**
 * Ends every deployment that the last run of the daemon left running, oldest first: what was committed is tidied up
 * and succeeded, everything else is undone and `failed: interrupted`.
 */
export async function recover(ports: Ports): Promise<void> {
  for (const deployment of ports.store.unfinished()) {
    if (deployment.status === "queued") continue; // the worker runs it when this is over
    ports.journal.event(
      deployment.id,
      "log",
      "warn",
      "the daemon stopped in the middle of it and runs again",
    );
    const outcome = await recoverOne(deployment, ports);
    ports.store.update(end(deployment, outcome, ports.clock.now()));
    tellEnd(deployment.id, outcome, ports);
    ports.log.warn("unfinished deployment closed", {
      deployment: deployment.id,
      service: deployment.service,
      status: outcome.status,
      reason: outcome.reason,
    });
  }
}

async function recoverOne(deployment: Deployment, ports: Ports): Promise<Outcome> {
  const before = ports.store.before(deployment.id);
  if (before === undefined) return interrupted("nothing was touched");
  // By names alone: the way back must not depend on a compose file that somebody has broken or changed meanwhile.
  const project = { name: ports.store.projectName() ?? "" };
  const service = { name: deployment.service };
  const pin = ports.store.pins().find((pin) => pin.service === service.name);
  if (pin?.deployment === deployment.id) {
    const containers = await containersOf(project, service, ports.engine);
    const old = containers.filter((container) => before.all.includes(container.id));
    await remove(old, { volumes: false }, ports);
    await renewSharersOf(service.name, ports);
    return { status: "succeeded", changed: true, digest: pin.digest, reason: "", code: undefined };
  }
  try {
    await finishStop(before, ports);
    if (await restore(before, project, service, ports)) await renewSharersOf(service.name, ports);
    return interrupted(await describeServing(service.name, ports));
  } catch (error) {
    // Without Docker nothing is decided yet: this throws, and the whole recovery is done again.
    await ports.engine.ping();
    ports.log.error("an interrupted deployment could not be undone: a person is needed", {
      deployment: deployment.id,
      error,
    });
    const reason = `${publicMessage(error)}\n${await describeServing(service.name, ports)}`;
    return { ...interrupted(reason), status: "rollback_failed", changed: true };
  }
}

/**
 * A stop that Docker was asked for goes on without whoever asked: until it is over, a container counts as running that
 * is about to end.
 */
async function finishStop({ switching, running }: Before, { engine }: Ports): Promise<void> {
  if (switching !== true) return;
  for (const id of running) {
    const container = await engine.container(id);
    if (container !== undefined && isKeptUp(container)) await engine.stop(id);
  }
}

function interrupted(detail: string): Outcome {
  return {
    status: "failed",
    changed: false,
    digest: undefined,
    code: "interrupted",
    reason: `interrupted: the daemon stopped before the deployment could end\n${detail}`,
  };
}
