import { containersOf, describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import { DeployerError, publicMessage } from "./errors.ts";
import { bringImage } from "./images.ts";
import type { Dependency, ImageTexts, Named, OtherCounts, Project, Service, Source } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";

/** How long a dependency may take until its `condition` holds. */
const DEPENDENCY_DEADLINE_MS = 120_000;
/**
 * How long its turn is waited for. Longer than what holds it should take; but that may wait for a turn of ours: two
 * deployments of several services may need one of the other each.
 */
const TURN_WITHIN_MS = 10 * 60_000;
const LOOK_EVERY_MS = 250;

/** All services that `service` needs, directly or not, each after those it needs itself. */
export function dependenciesOf(project: Project, service: Service): Service[] {
  const order = new Map<string, Service>();
  const visit = (name: string): void => {
    const next = project.services.get(name);
    if (next === undefined || next === service || order.has(name)) return;
    for (const dependency of next.dependsOn) visit(dependency.service);
    order.set(name, next);
  };
  for (const dependency of service.dependsOn) visit(dependency.service);
  return [...order.values()];
}

/** Others wait for it to end: whatever its image exposes, it is a job. */
export function isJob({ name }: Named, { services }: Project): boolean {
  return [...services.values()].some(({ dependsOn }) =>
    dependsOn.some(
      ({ service, condition }) => service === name && condition === "service_completed_successfully",
    ),
  );
}

/**
 * How many containers the dependencies have, where that is not the number that `source` says: a configuration recorded
 * earlier may have other dependencies, and other numbers of them, than the compose file has now.
 */
export async function dependencyCounts(
  source: Source,
  project: Project,
  { name }: Named,
  { engine, compose }: Pick<Ports, "engine" | "compose">,
): Promise<OtherCounts> {
  const from = "recorded" in source ? await compose.recorded(source.recorded) : project;
  const service = from.services.get(name);
  const counts = new Map<string, number>();
  for (const dependency of service === undefined ? [] : dependenciesOf(from, service)) {
    const count = (await containersOf(from, dependency, engine)).length;
    if (count > 0 && count !== dependency.replicas) counts.set(dependency.name, count);
  }
  return counts;
}

/**
 * Starts the dependencies that have no container or stopped otherwise than by ending with 0, and waits as their
 * `condition` says. What runs is left alone, also when it differs from the compose file.
 * @param together services of the same deployment: it starts those itself, and holds their turn
 * Errors: those of pulling and creating, `rollout`; a dependency with `required: false` only leaves a warning.
 */
export async function startDependencies(
  project: Project,
  service: Service,
  images: ImageTexts,
  ports: Ports,
  signal: AbortSignal,
  together: ReadonlySet<string> = new Set(),
): Promise<void> {
  for (const dependency of service.dependsOn) {
    const needed = project.services.get(dependency.service);
    if (needed === undefined || together.has(needed.name)) continue;
    try {
      await startDependencies(project, needed, images, ports, signal, together);
      await startDependency(project, needed, dependency, images, ports, signal);
    } catch (error) {
      if (dependency.required || signal.aborted) throw error;
      ports.log.warn("optional dependency did not start", {
        service: service.name,
        dependency: needed.name,
        reason: publicMessage(error),
      });
    }
  }
}

async function startDependency(
  project: Project,
  service: Service,
  { condition }: Dependency,
  images: ImageTexts,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  if (areUp(await containersOf(project, service, ports.engine), condition)) return;
  // In turn: a deployment of the dependency may have stopped it for a moment.
  await inTurnSoon(service.name, ports, signal, async () => {
    let containers = await containersOf(project, service, ports.engine);
    const up = containers.filter((container) => isUp(container, condition));
    // Beside them only leftovers of a deployment: another version, which must not run too.
    if (up.length > 0 && up.length >= service.replicas) return;
    if (containers.length === 0) {
      await bringImage(service, images, ports, signal);
      await ports.compose.createBeside({ images }, service.name, service.replicas, () =>
        dependencyCounts({ images }, project, service, ports),
      );
      containers = await containersOf(project, service, ports.engine);
    }
    const waiting = containers.filter((container) => !isUp(container, condition));
    for (const container of waiting) {
      if (isRunning(container)) continue;
      ports.log.info("starting a dependency", {
        service: service.name,
        container: shortId(container),
        condition,
      });
      await ports.engine.start(container.id);
    }
    for (const container of waiting) await waitForCondition(container, condition, ports, signal);
  });
}

/** Errors: `rollout`, when the turn does not come in time; the signal's reason. */
async function inTurnSoon(
  service: string,
  { inTurn, clock }: Ports,
  signal: AbortSignal,
  task: () => Promise<void>,
): Promise<void> {
  const begun = new AbortController();
  let isWanted = true;
  const turn = inTurn(service, async () => {
    if (!isWanted) return;
    begun.abort();
    await task();
  });
  // It is awaited below, unless it is given up.
  turn.catch(() => undefined);
  await clock.sleep(TURN_WITHIN_MS, AbortSignal.any([begun.signal, signal])).catch(() => undefined);
  if (begun.signal.aborted) return await turn;
  isWanted = false;
  signal.throwIfAborted();
  throw new DeployerError(
    "rollout",
    `dependency "${service}" is not up, and something else was at work on it for ${TURN_WITHIN_MS / 60_000} minutes: another deployment?`,
  );
}

function areUp(containers: Container[], condition: Dependency["condition"]): boolean {
  return containers.length > 0 && containers.every((container) => isUp(container, condition));
}

/** Nothing to start and nothing to wait for. What is unhealthy was so before: it is left alone. */
function isUp(container: Container, condition: Dependency["condition"]): boolean {
  switch (condition) {
    case "service_started":
      return isRunning(container) || isFinished(container);
    case "service_healthy":
      return (isRunning(container) && container.health !== "starting") || isFinished(container);
    case "service_completed_successfully":
      return hasSucceeded(container);
  }
}

async function waitForCondition(
  started: Container,
  condition: Dependency["condition"],
  { engine, clock }: Ports,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + DEPENDENCY_DEADLINE_MS;
  for (;;) {
    const container = await engine.container(started.id);
    if (container === undefined) throw failure(started, "was removed by somebody else");
    if (holds(container, condition)) return;
    if (!isRunning(container) && container.state !== "restarting")
      throw failure(container, describeEnd(container));
    if (container.health === "unhealthy") throw failure(container, "is unhealthy");
    if (clock.now() >= deadline)
      throw failure(container, `did not reach ${condition} within ${DEPENDENCY_DEADLINE_MS / 1000} s`);
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

function holds(container: Container, condition: Dependency["condition"]): boolean {
  switch (condition) {
    case "service_started":
      return isRunning(container) || isFinished(container);
    case "service_healthy":
      return isRunning(container) && (container.health === "healthy" || container.health === "none");
    case "service_completed_successfully":
      return hasSucceeded(container);
  }
}

/** Whatever its image exposes: who waits for its end has said that it is a job. */
function hasSucceeded(container: Container): boolean {
  return container.state === "exited" && container.exitCode === 0;
}

function failure(container: Container, what: string): DeployerError {
  return new DeployerError(
    "rollout",
    `dependency "${container.service}" (container ${shortId(container)}) ${what}`,
  );
}
