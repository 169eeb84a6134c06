import { containersOf, isKeptUp } from "./containers.ts";
import { servicesOf } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import { dependenciesDrifted } from "./drift.ts";
import { sendToRunning } from "./send-to-running.ts";
import { startAndPass } from "./gate.ts";
import { noteRunning } from "./note-running.ts";
import { noteOrigins } from "./origins.ts";
import { imageTexts } from "./pins.ts";
import type { Project, Service } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { recreate } from "./recreate.ts";

/**
 * Services that live in the namespaces of `service` (`network_mode: service:web`, likewise `ipc` and `pid`) or on its
 * volumes (`volumes_from`) hold on to the very container that has just been replaced or restarted: those that run are
 * recreated as they are, without edits of the file that nobody deployed.
 * @returns what could not be, for people; it does not undo what `service` has become
 */
export async function renewSharersOf(service: string, ports: Ports): Promise<string[]> {
  try {
    return await renewSharers(await ports.compose.project(), service, ports);
  } catch (error) {
    ports.log.warn("services that share with another could not be looked at", { service, error });
    return [];
  }
}

async function renewSharers(project: Project, service: string, ports: Ports): Promise<string[]> {
  const failures: string[] = [];
  for (const sharer of project.services.values()) {
    if (!sharer.sharesWith.includes(service)) continue;
    // Its own deployment may be waiting for the very service that is being deployed; it makes new containers by itself.
    if (isBeingDeployed(sharer, ports)) continue;
    try {
      await ports.inTurn(sharer.name, () => renew(project, sharer, ports));
    } catch (error) {
      const failure = `"${sharer.name}", which shares with "${service}", could not be recreated and needs a person: ${publicMessage(error)}`;
      ports.log.error(failure, { service: sharer.name, error });
      failures.push(failure);
    }
  }
  return failures;
}

function isBeingDeployed({ name }: Service, { store }: Ports): boolean {
  return store
    .unfinished()
    .some((deployment) => deployment.status === "running" && servicesOf(deployment).includes(name));
}

async function renew(project: Project, sharer: Service, ports: Ports): Promise<void> {
  const old = await containersOf(project, sharer, ports.engine);
  const first = old.find(isKeptUp);
  if (first === undefined) return;
  ports.log.info("recreating a service that shares with the deployed one", { service: sharer.name });
  const images = imageTexts(ports.store.pins());
  const origin = ports.store.origin(first.id);
  const isAsInFile = origin === undefined || origin.configHash === sharer.configHash;
  const recorded = isAsInFile ? await ports.compose.record(images) : origin.recorded;
  const withDependencies = async (): Promise<boolean> =>
    isAsInFile && !(await dependenciesDrifted(sharer, recorded, ports));
  await recreate(isAsInFile ? { images } : { recorded }, project, sharer, withDependencies, ports);
  const made = await containersOf(project, sharer, ports.engine);
  await noteOrigins(made, sharer, recorded, ports);
  noteRunning(await startAndPass(made, sharer.settings, ports), old, ports);
  await sendToRunning(project, sharer, ports);
}
