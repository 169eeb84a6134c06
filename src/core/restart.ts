import { containersOf, isKeptUp, shortId } from "./containers.ts";
import { DeployerError, errorCode, publicMessage } from "./errors.ts";
import { startAndPass } from "./gate.ts";
import { noteRunning } from "./note-running.ts";
import type { Project, Service } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { describeServing } from "./serving.ts";
import { renewSharersOf } from "./sharers.ts";
import { unnoticed } from "./unnoticed.ts";

export type Restarted = {
  /** Ids of the containers, the same as before. */
  containers: string[];
  /** What could not be put right with services that share with it, for people. */
  problems: string[];
};

/**
 * Has Docker restart the containers of a service in its turn, each gated before the next one, so that of several the
 * others serve meanwhile; behind the edge no visitor notices. Image and configuration stay what they are: this is no deployment, nothing is pulled or created.
 * Errors: `not_found`, `compose_file`, `docker`, `conflict` for a service without a container, `rollout` and `unhealthy`
 * for a container that does not come up, with what serves then.
 */
export async function restart(name: string, ports: Ports, signal: AbortSignal): Promise<Restarted> {
  const project = await ports.compose.project();
  const service = project.services.get(name);
  if (service === undefined) throw new DeployerError("not_found", `unknown service ${JSON.stringify(name)}`);
  const containers = await ports.inTurn(name, () => restartInTurn(project, service, ports, signal));
  // Each of them has a turn of its own: not from within ours, which a deployment of theirs may be waiting for.
  const problems = await renewSharersOf(name, ports);
  return { containers: containers.map(({ id }) => id), problems };
}

async function restartInTurn(
  project: Project,
  service: Service,
  ports: Ports,
  signal: AbortSignal,
): Promise<Container[]> {
  const { engine, log } = ports;
  signal.throwIfAborted();
  const containers = toRestart(service, await containersOf(project, service, engine));
  if (containers.length === 0) {
    throw new DeployerError(
      "conflict",
      `service "${service.name}" has no container to restart; "up" makes what is missing`,
    );
  }
  try {
    for (const container of containers) {
      log.info("restarting a container", { service: service.name, container: shortId(container) });
      await unnoticed(container.id, project, service, ports, async () => {
        await engine.restart(container.id);
        noteRunning(await startAndPass([container], service.settings, ports, signal), [], ports);
      });
    }
  } catch (error) {
    log.error("a service could not be restarted", { service: service.name, error });
    const message = `${publicMessage(error)}\n${await describeServing([service.name], ports)}`;
    throw new DeployerError(errorCode(error), message, { cause: error });
  }
  log.info("service restarted", { service: service.name, containers: containers.length });
  return containers;
}

/** Those that run; of a service that is stopped as many as it should have, the last started first: others are leftovers. */
function toRestart({ replicas }: Service, containers: Container[]): Container[] {
  const up = containers.filter(isKeptUp);
  if (up.length > 0) return up;
  return containers
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
    .slice(0, Math.max(replicas, 1));
}
