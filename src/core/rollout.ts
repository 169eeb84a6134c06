import { containersOf, isKeptUp, shortId } from "./containers.ts";
import { dependenciesOf } from "./dependencies.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { DeployerError, errorCode, publicMessage } from "./errors.ts";
import { imageTexts, withImage } from "./pins.ts";
import type { Before, Container, ImageTexts, Ports, Project, Service } from "./ports.ts";
import { remove, restore } from "./restore.ts";
import { describeServing } from "./serving.ts";
import { storyOf } from "./story.ts";
import { startAndStay } from "./stay-running.ts";
import type { Target } from "./target.ts";

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
  const tell = storyOf(deployment, ports);
  try {
    tell("creating", `creating ${service.replicas} beside ${old.length}`);
    const candidates = await createCandidates(project, service, old, images, recorded, ports);
    signal.throwIfAborted();
    ports.log.info("switching", {
      deployment: deployment.id,
      service: service.name,
      candidates: candidates.map(shortId),
    });
    tell("switching", `stopping ${old.map(shortId).join(", ") || "nothing: none was there"}`);
    for (const container of old) await ports.engine.stop(container.id);
    signal.throwIfAborted();
    tell("watching", `starting ${candidates.map(shortId).join(", ")} and watching that it stays up`);
    await startAndStay(candidates, ports, signal);
    commit(deployment, target, images, recorded, candidates, ports);
    tell("committed", `${service.name} runs ${images.get(service.name)} from now on`);
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
  project: Project,
  service: Service,
  old: Container[],
  images: ImageTexts,
  recorded: string,
  ports: Ports,
): Promise<Container[]> {
  if (needsCompose(service, old)) {
    const withDependencies = !(await dependenciesDrifted(project, service, recorded, ports));
    await ports.compose.recreate({ images }, service.name, { withDependencies });
  } else {
    await ports.compose.createBeside({ images }, service.name, old.length + service.replicas);
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
    for (const container of await containersOf(project, dependency, engine)) {
      if (
        container.composeHash === expected &&
        container.imageId === (await engine.imageId(container.imageText))
      )
        continue;
      log.warn("a dependency differs from the compose file; the next plain docker compose up recreates it", {
        service: service.name,
        dependency: dependency.name,
      });
      return true;
    }
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
  const why = publicMessage(cause);
  ports.journal.event(deployment.id, "going_back", "error", why);
  try {
    const touched = await restore(before, project, service, ports);
    const status = touched ? "rolled_back" : "failed";
    const reason = `${why}\n${await describeServing(service.name, ports)}`;
    return { status, changed: false, digest, code: errorCode(cause), reason };
  } catch (error) {
    ports.log.error("rollback failed: a person is needed", { ...fields, error });
    const reason = `${why}\nthe rollback failed too, a person is needed: ${publicMessage(error)}\n${await describeServing(service.name, ports)}`;
    return { status: "rollback_failed", changed: true, digest, code: errorCode(cause), reason };
  }
}

/** The new version serves and is recorded: what goes wrong from here on is made good at the next start. */
async function tidyUp(old: Container[], deployment: Deployment, ports: Ports): Promise<void> {
  try {
    await ports.compose.writePins(imageTexts(ports.store.pins()));
    await remove(old, { volumes: false }, ports);
    if (old.length > 0) storyOf(deployment, ports)("removed", `removed ${old.map(shortId).join(", ")}`);
  } catch (error) {
    ports.journal.event(deployment.id, "log", "warn", `tidying up failed: ${publicMessage(error)}`);
    ports.log.warn("tidying up after a deployment failed", { deployment: deployment.id, error });
  }
}
