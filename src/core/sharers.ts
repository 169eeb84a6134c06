import { dependenciesDrifted } from "./candidates.ts";
import { containersOf, isKeptUp } from "./containers.ts";
import { publicMessage } from "./errors.ts";
import { noteRunning } from "./note-running.ts";
import { noteOrigins } from "./origins.ts";
import { imageTexts } from "./pins.ts";
import type { Ports, Project, Service } from "./ports.ts";
import { recreate } from "./recreate.ts";
import { startAndStay } from "./stay-running.ts";

/** As `renewSharers`, where only the name is known and the compose file may be unreadable. */
export async function renewSharersOf(name: string, ports: Ports): Promise<void> {
  try {
    const project = await ports.compose.project();
    const service = project.services.get(name);
    if (service !== undefined) await renewSharers(project, service, ports);
  } catch (error) {
    ports.log.warn("services that share with another could not be looked at", { service: name, error });
  }
}

/**
 * Services that live in the namespaces of `service` (`network_mode: service:web`, likewise `ipc` and `pid`) or on its
 * volumes (`volumes_from`) hold on to the very container that has just been replaced or restarted: those that run are
 * recreated, as `docker compose up` would. What fails is logged; it does not undo what `service` has become.
 */
export async function renewSharers(project: Project, service: Service, ports: Ports): Promise<void> {
  for (const sharer of project.services.values()) {
    if (!sharer.sharesWith.includes(service.name)) continue;
    try {
      await renew(project, sharer, ports);
    } catch (error) {
      const reason = publicMessage(error);
      ports.log.error(
        "a service that shares with the deployed one could not be recreated: a person is needed",
        {
          service: sharer.name,
          shares_with: service.name,
          reason,
        },
      );
    }
  }
}

async function renew(project: Project, sharer: Service, ports: Ports): Promise<void> {
  const old = await containersOf(project, sharer, ports.engine);
  if (!old.some(isKeptUp)) return;
  // Not in turn: a deployment of the sharer may be waiting for the very service that is being deployed.
  const isBeingDeployed = ports.store
    .unfinished()
    .some(({ service, status }) => service === sharer.name && status === "running");
  if (isBeingDeployed) return;

  ports.log.info("recreating a service that shares with the deployed one", { service: sharer.name });
  const images = imageTexts(ports.store.pins());
  const recorded = await ports.compose.record(images);
  const withDependencies = async (): Promise<boolean> =>
    !(await dependenciesDrifted(project, sharer, recorded, ports));
  await recreate({ images }, project, sharer, withDependencies, ports);
  const made = await containersOf(project, sharer, ports.engine);
  await noteOrigins(made, sharer, recorded, ports);
  noteRunning(await startAndStay(made, ports), old, ports.store);
}
