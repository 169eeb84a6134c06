import { z } from "zod";
import { DeployerError } from "../core/errors.ts";
import type { Container, Engine } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { parseAnswer, refused } from "./answer.ts";
import { toContainer } from "./container.ts";
import { containerPath, inspect, type Inspection } from "./inspect.ts";
import { networkId } from "./networks.ts";
import type { Transport } from "./transport.ts";

const LIST_DEADLINE_MS = 30_000;
const START_DEADLINE_MS = 60_000;
const SIGNAL_DEADLINE_MS = 30_000;
const REMOVE_DEADLINE_MS = 60_000;
/** On top of the container's own grace: the kill and the release of its network take time too. */
const STOP_MARGIN_MS = 30_000;
const DEFAULT_STOP_GRACE_SECONDS = 10;
/** For containers that ask Docker to wait for ever. */
const MAX_STOP_GRACE_SECONDS = 3_600;
const REMOVAL_POLL_MS = 250;
const INSPECTS_AT_ONCE = 8;

const list = z.array(z.object({ Id: z.string().min(1) }));

/** Containers by their id: looking at them, starting, stopping and removing them. */
export function createContainers(
  transport: Transport,
  clock: Clock,
): Pick<Engine, "containers" | "container" | "start" | "stop" | "endBySignal" | "restart" | "remove"> {
  async function container(id: string): Promise<Container | undefined> {
    const inspection = await inspect(transport, id);
    return inspection && withNetworkIds(toContainer(inspection));
  }

  /** Docker 20.10 says which networks a container will be attached to, but not their ids until it has been started. */
  async function withNetworkIds(seen: Container): Promise<Container> {
    const networks = seen.networks.map(async (attachment) =>
      attachment.networkId === ""
        ? { ...attachment, networkId: await networkId(transport, attachment.network) }
        : attachment,
    );
    return { ...seen, networks: await Promise.all(networks) };
  }

  async function containers(project: string): Promise<Container[]> {
    const filters = JSON.stringify({ label: [`com.docker.compose.project=${project}`] });
    const answer = await transport.send({
      method: "GET",
      path: "/containers/json",
      query: { all: "true", filters },
      deadlineMs: LIST_DEADLINE_MS,
    });
    const ids = parseAnswer(answer, list, "list the containers").map((entry) => entry.Id);
    const found: Container[] = [];
    for (let first = 0; first < ids.length; first += INSPECTS_AT_ONCE) {
      const batch = await Promise.all(ids.slice(first, first + INSPECTS_AT_ONCE).map(container));
      found.push(...batch.filter((each) => each !== undefined));
    }
    return found;
  }

  async function start(id: string): Promise<void> {
    const path = `${containerPath(id)}/start`;
    const answer = await transport.send({ method: "POST", path, deadlineMs: START_DEADLINE_MS });
    const isRunning = answer.status === 204 || answer.status === 304;
    if (!isRunning) throw refused(answer, `start container ${id}`);
  }

  async function stop(id: string): Promise<void> {
    const inspection = await inspect(transport, id);
    if (inspection === undefined) return;
    const answer = await transport.send({
      method: "POST",
      path: `${containerPath(id)}/stop`,
      deadlineMs: stopGraceMs(inspection) + STOP_MARGIN_MS,
    });
    const isStopped = answer.status === 204 || answer.status === 304 || answer.status === 404;
    if (!isStopped) throw refused(answer, `stop container ${id}`);
  }

  async function endBySignal(id: string, signal: string): Promise<void> {
    const update = await transport.send({
      method: "POST",
      path: `${containerPath(id)}/update`,
      body: { RestartPolicy: { Name: "no" } },
      deadlineMs: SIGNAL_DEADLINE_MS,
    });
    if (update.status === 404) return;
    if (update.status !== 200) throw refused(update, `change the restart policy of container ${id}`);
    const answer = await transport.send({
      method: "POST",
      path: `${containerPath(id)}/kill`,
      query: { signal },
      deadlineMs: SIGNAL_DEADLINE_MS,
    });
    // 409: it does not run.
    if (answer.status === 204 || answer.status === 404 || answer.status === 409) return;
    throw refused(answer, `send ${signal} to container ${id}`);
  }

  async function restart(id: string): Promise<void> {
    const inspection = await inspect(transport, id);
    const graceMs = inspection === undefined ? 0 : stopGraceMs(inspection);
    const answer = await transport.send({
      method: "POST",
      path: `${containerPath(id)}/restart`,
      deadlineMs: graceMs + STOP_MARGIN_MS + START_DEADLINE_MS,
    });
    if (answer.status !== 204) throw refused(answer, `restart container ${id}`);
  }

  async function remove(id: string, options: { volumes: boolean }): Promise<void> {
    const deadline = clock.now() + REMOVE_DEADLINE_MS;
    const answer = await transport.send({
      method: "DELETE",
      path: containerPath(id),
      query: { force: "true", v: String(options.volumes) },
      deadlineMs: REMOVE_DEADLINE_MS,
    });
    if (answer.status === 204 || answer.status === 404) return;
    const isUnderWay = answer.status === 409 && answer.text.includes("already in progress");
    if (!isUnderWay) throw refused(answer, `remove container ${id}`);
    while ((await inspect(transport, id)) !== undefined) {
      if (clock.now() >= deadline)
        throw new DeployerError("docker", `Docker did not finish the removal of container ${id}`);
      await clock.sleep(REMOVAL_POLL_MS);
    }
  }

  return { container, containers, start, stop, endBySignal, restart, remove };
}

function stopGraceMs(inspection: Inspection): number {
  const seconds = inspection.Config.StopTimeout ?? DEFAULT_STOP_GRACE_SECONDS;
  return (seconds < 0 ? MAX_STOP_GRACE_SECONDS : Math.min(seconds, MAX_STOP_GRACE_SECONDS)) * 1000;
}
