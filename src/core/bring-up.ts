import { containersOf, isRunning, shortId } from "./containers.ts";
import { dependenciesOf, dependencyCounts, isJob, startDependencies } from "./dependencies.ts";
import { publicMessage } from "./errors.ts";
import { bringEdge } from "./apply-edge.ts";
import { bringImage } from "./images.ts";
import { noteOrigins } from "./origins.ts";
import { currentPins, imageTexts } from "./pins.ts";
import { remove } from "./restore.ts";
import type { Project, Service, Source } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { bringRecordedImage } from "./recorded-image.ts";
import { refusedSettings } from "./refused-settings.ts";
import type { Pin } from "./store.ts";

/**
 * The start of the daemon, after recovery: services that run are left alone; one without a container is brought up as it
 * last ran, or as the compose file says if it was never deployed; with `comeBack` (the host or Docker was restarted) the
 * containers that ran at our last look are started again, and taken out of it, also when the compose file is broken. What
 * a person stopped stays stopped.
 * Then the edge, and the requests of its services to what runs.
 * @returns why each service that could not be brought up was not, by its name; one failure does not stop the others
 */
export async function bringUp(
  comeBack: Set<string>,
  ports: Ports,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const project = await ports.compose.project().catch(async (error: unknown) => {
    await startAsTheyRan(comeBack, ports);
    throw error;
  });
  for (const problem of refusedSettings(project)) ports.log.error(problem);
  const pins = await currentPins(project, ports);
  await ports.compose.writePins(imageTexts(pins));

  const failures = new Map<string, string>();
  for (const service of inDependencyOrder(project)) {
    const pin = pins.find((pin) => pin.service === service.name);
    try {
      await ports.inTurn(service.name, () =>
        bringUpOne(project, service, pin, pins, comeBack, ports, signal),
      );
    } catch (error) {
      if (signal.aborted) throw error;
      failures.set(service.name, publicMessage(error));
      ports.log.error("service could not be brought up", { service: service.name, error });
    }
  }
  for (const [service, why] of await bringEdge(project, ports))
    failures.set(service, failures.get(service) ?? why);
  return failures;
}

async function bringUpOne(
  project: Project,
  service: Service,
  pin: Pin | undefined,
  pins: Pin[],
  comeBack: Set<string>,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  const containers = await withoutReplaced(await containersOf(project, service, ports.engine), pin, ports);
  if (containers.length > 0) {
    // Created and never started: an earlier attempt, ours or Compose's, got no further.
    const isBegun = containers.every((container) => container.state === "created");
    await start(
      containers.filter(
        (container) =>
          (isBegun || comeBack.has(container.id)) && !isRunning(container) && !isDoneJob(container, project),
      ),
      ports,
    );
    for (const { id } of containers) comeBack.delete(id);
    await noteOrigins(containers, service, undefined, ports);
    return;
  }
  const wanted = pin !== undefined || service.startedByDefault;
  if (!wanted || service.replicas === 0) return;

  ports.log.info("bringing up a service without a container", {
    service: service.name,
    image: pin?.imageText ?? service.image ?? service.builtImage,
  });
  const images = imageTexts(pins);
  const source: Source = pin === undefined ? { images } : { recorded: pin.recorded };
  if (pin === undefined) await bringImage(service, images, ports, signal);
  else await bringRecordedImage(pin, pin.deployment, service.platform, ports, signal);
  await startDependencies(project, service, images, ports, signal);
  await ports.compose.createBeside(source, service.name, service.replicas, () =>
    dependencyCounts(source, project, service, ports),
  );
  const created = await containersOf(project, service, ports.engine);
  await noteOrigins(created, service, pin?.recorded, ports);
  await start(created, ports);
}

/** What ran is known without the compose file, which somebody has broken. One that does not start does not stop the others. */
async function startAsTheyRan(comeBack: Set<string>, ports: Ports): Promise<void> {
  const project = ports.store.projectName();
  if (project === undefined || comeBack.size === 0) return;
  const replaced = new Set(ports.store.pins().flatMap((pin) => replacedBy(pin, ports)));
  for (const { id, service } of await ports.engine.containers(project)) {
    if (!comeBack.has(id) || replaced.has(id)) continue;
    try {
      await ports.inTurn(service, async () => {
        const now = await ports.engine.container(id);
        if (now !== undefined && !isRunning(now)) await start([now], ports);
        comeBack.delete(id);
      });
    } catch (error) {
      ports.log.error("a container that ran before could not be started", { service, error });
    }
  }
}

function isDoneJob(container: Container, project: Project): boolean {
  const hasEnded = container.state === "exited" && container.exitCode === 0;
  return hasEnded && isJob({ name: container.service }, project);
}

/** Removes what the deployment of the pin has replaced and could not remove itself: Docker may have started it again. */
async function withoutReplaced(
  containers: Container[],
  pin: Pin | undefined,
  ports: Ports,
): Promise<Container[]> {
  const before = pin === undefined ? [] : replacedBy(pin, ports);
  const kept = containers.filter(({ id }) => !before.includes(id));
  if (kept.length === 0) return containers;
  await remove(
    containers.filter((container) => !kept.includes(container)),
    { volumes: false },
    ports,
  );
  return kept;
}

function replacedBy({ service, deployment }: Pin, { store }: Ports): string[] {
  const plans = store.progress(deployment)?.plans ?? [];
  return plans.find((plan) => plan.service === service)?.before.all ?? [];
}

async function start(containers: Container[], { engine, log }: Ports): Promise<void> {
  for (const container of containers) {
    log.info("starting a container", {
      service: container.service,
      container: shortId(container),
      image: container.imageText,
    });
    await engine.start(container.id);
  }
}

function inDependencyOrder(project: Project): Service[] {
  const order = new Set<Service>();
  for (const service of project.services.values()) {
    for (const dependency of dependenciesOf(project, service)) order.add(dependency);
    order.add(service);
  }
  return [...order];
}
