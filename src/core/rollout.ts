import { containersOf, isKeptUp, shortId } from "./containers.ts";
import { dependenciesOf, dependencyCounts } from "./dependencies.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { DeployerError, errorCode, publicMessage } from "./errors.ts";
import { noteRunning } from "./note-running.ts";
import { imageTexts, withImage } from "./pins.ts";
import type { Before, Container, Engine, ImageTexts, Ports, Project, Service } from "./ports.ts";
import { recreate } from "./recreate.ts";
import { remove, restore } from "./restore.ts";
import { describeServing } from "./serving.ts";
import { startAndStay } from "./stay-running.ts";
import type { Target } from "./target.ts";

/** Of a failed candidate's output. */
const LAST_LINES = 50;
/** How long the way back waits for Docker. */
const DOCKER_RETURNS_WITHIN_MS = 300_000;
const ASK_DOCKER_EVERY_MS = 1_000;

/**
 * Stop-first: the candidate is created beside what runs, that is stopped, the candidate started and watched; then the
 * pin is committed and the old containers removed. Any failure after the stop brings the old containers back.
 */
export async function rollOut(
  deployment: Deployment,
  target: Target,
  project: Project,
  images: ImageTexts,
  ports: Ports,
  signal: AbortSignal,
): Promise<Outcome> {
  const { service, digest } = target;
  const recorded = await ports.compose.record(images);
  const old = await containersOf(project, service, ports.engine);
  const before = await rememberBefore(deployment, service, old, images, ports);
  try {
    const candidates = await createCandidates(deployment, project, service, old, images, recorded, ports);
    signal.throwIfAborted();
    ports.log.info("switching", {
      deployment: deployment.id,
      service: service.name,
      candidates: candidates.map(shortId),
    });
    ports.store.saveSwitching(deployment.id);
    for (const container of old) await ports.engine.stop(container.id);
    signal.throwIfAborted();
    const serving = await startAndStay(candidates, ports, signal);
    commit(deployment, target, images, recorded, candidates, ports);
    noteRunning(serving, old, ports.store);
  } catch (error) {
    return await rollBack(error, deployment, target, project, before, ports);
  }
  await tidyUp(old, deployment, ports);
  return { status: "succeeded", changed: true, digest, reason: "", code: undefined };
}

/** Written down before the first effect: the way back, for us and for whoever finds this deployment unfinished. */
async function rememberBefore(
  deployment: Deployment,
  service: Service,
  old: Container[],
  images: ImageTexts,
  { store, compose }: Ports,
): Promise<Before> {
  const running = old.filter(isKeptUp);
  const first = running[0] ?? old[0];
  const recorded =
    first === undefined
      ? ""
      : (store.origin(first.id)?.recorded ??
        (await compose.record(withImage(images, service.name, first.imageText))));
  const before = { running: running.map(({ id }) => id), all: old.map(({ id }) => id), recorded };
  store.saveBefore(deployment.id, before);
  return before;
}

async function createCandidates(
  deployment: Deployment,
  project: Project,
  service: Service,
  old: Container[],
  images: ImageTexts,
  recorded: string,
  ports: Ports,
): Promise<Container[]> {
  if (needsCompose(service, old)) {
    ports.store.saveSwitching(deployment.id);
    const withDependencies = async (): Promise<boolean> =>
      !(await dependenciesDrifted(project, service, recorded, ports));
    await recreate({ images }, project, service, withDependencies, ports);
  } else {
    const total = old.length + service.replicas;
    await ports.compose.createBeside({ images }, service.name, total, () =>
      dependencyCounts(project, service, ports.engine),
    );
  }
  const known = new Set(old.map(({ id }) => id));
  const now = await containersOf(project, service, ports.engine);
  const candidates = now.filter(({ id }) => !known.has(id));
  if (candidates.length < service.replicas) {
    throw new DeployerError(
      "rollout",
      `Compose created ${candidates.length} of ${service.replicas} containers of service "${service.name}"`,
    );
  }
  return candidates;
}

/**
 * A fixed name cannot be had twice, and only Compose's own recreate hands anonymous volumes on: such containers are
 * replaced by Compose, which stops and removes the old one itself.
 */
function needsCompose(service: Service, old: Container[]): boolean {
  return (
    (service.containerName !== undefined && old.length > 0) ||
    old.some((container) => container.anonymousVolumes.length > 0)
  );
}

/** Compose's recreate replaces dependencies that differ from the file, unless it is told to leave them all out. */
async function dependenciesDrifted(
  project: Project,
  service: Service,
  recorded: string,
  { engine, compose, log }: Ports,
): Promise<boolean> {
  for (const dependency of dependenciesOf(project, service)) {
    const expected = await compose.labelHash(recorded, dependency.name);
    const containers = await containersOf(project, dependency, engine);
    let isAsInFile = containers.length === 0 || containers.length === dependency.replicas;
    for (const { composeHash, imageId, imageText } of containers) {
      isAsInFile &&= composeHash === expected && imageId === (await engine.imageId(imageText));
    }
    if (isAsInFile) continue;
    log.warn("a dependency differs from the compose file; the next plain docker compose up recreates it", {
      service: service.name,
      dependency: dependency.name,
    });
    return true;
  }
  return false;
}

function commit(
  { id }: Deployment,
  { service, digest, fileImage }: Target,
  images: ImageTexts,
  recorded: string,
  candidates: Container[],
  { store }: Ports,
): void {
  const imageText = images.get(service.name) ?? fileImage;
  store.commit(
    { service: service.name, imageText, fileImage, digest, recorded, deployment: id },
    candidates.map((container) => ({
      container: container.id,
      service: service.name,
      configHash: service.configHash,
      recorded,
    })),
  );
}

async function rollBack(
  cause: unknown,
  deployment: Deployment,
  { service, digest }: Target,
  project: Project,
  before: Before,
  ports: Ports,
): Promise<Outcome> {
  const fields = { deployment: deployment.id, service: service.name };
  ports.log.error("rollout failed, going back", { ...fields, error: cause });
  await logLastWords(project, service, before, fields, ports);
  const why = publicMessage(cause);
  try {
    const touched = await restoreWithDocker(before, project, service, ports);
    const status = touched ? "rolled_back" : "failed";
    const reason = `${why}\n${await describeServing(service.name, ports)}`;
    return { status, changed: false, digest, code: errorCode(cause), reason };
  } catch (error) {
    ports.log.error("rollback failed: a person is needed", { ...fields, error });
    const reason = `${why}\nthe rollback failed too, a person is needed: ${publicMessage(error)}\n${await describeServing(service.name, ports)}`;
    return { status: "rollback_failed", changed: true, digest, code: errorCode(cause), reason };
  }
}

/** What the candidates printed goes to the log, for the operator only: with them it would be gone. */
async function logLastWords(
  project: Project,
  service: Service,
  before: Before,
  fields: Record<string, unknown>,
  { engine, log }: Ports,
): Promise<void> {
  try {
    const containers = await containersOf(project, service, engine);
    for (const container of containers.filter(({ id }) => !before.all.includes(id))) {
      const lines = await engine.logs(container.id, LAST_LINES);
      if (lines.length > 0)
        log.error("last lines of the candidate", { ...fields, container: shortId(container), lines });
    }
  } catch (error) {
    log.warn("the candidate's output could not be read", { ...fields, error });
  }
}

/** The way back waits for a Docker that is being restarted: half of it would leave both versions to come back. */
async function restoreWithDocker(
  before: Before,
  project: Project,
  service: Service,
  ports: Ports,
): Promise<boolean> {
  const deadline = ports.clock.now() + DOCKER_RETURNS_WITHIN_MS;
  for (;;) {
    try {
      return await restore(before, project, service, ports);
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

/** The new version serves and is recorded: what goes wrong from here on is made good when services are brought up. */
async function tidyUp(old: Container[], deployment: Deployment, ports: Ports): Promise<void> {
  try {
    await ports.compose.writePins(imageTexts(ports.store.pins()));
    await remove(old, { volumes: false }, ports);
  } catch (error) {
    ports.log.warn("tidying up after a deployment failed", { deployment: deployment.id, error });
  }
}
