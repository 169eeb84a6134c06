import { createCandidates } from "./candidates.ts";
import { containersOf, isKeptUp, shortId } from "./containers.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import { noteRunning } from "./note-running.ts";
import { imageTexts, withImage } from "./pins.ts";
import type { Container, ImageTexts, Ports, Project, Service } from "./ports.ts";
import type { Before } from "./store.ts";
import { remove } from "./restore.ts";
import { rollBack } from "./roll-back.ts";
import { renewSharers } from "./sharers.ts";
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
  let serving: Container[];
  try {
    tell("creating", `creating ${service.replicas} beside ${old.length}`);
    const candidates = await createCandidates(deployment, project, service, old, images, recorded, ports);
    signal.throwIfAborted();
    ports.log.info("switching", {
      deployment: deployment.id,
      service: service.name,
      candidates: candidates.map(shortId),
    });
    ports.store.saveSwitching(deployment.id);
    tell("switching", `stopping ${old.map(shortId).join(", ") || "nothing: none was there"}`);
    for (const container of old) await ports.engine.stop(container.id);
    signal.throwIfAborted();
    tell("watching", `starting ${candidates.map(shortId).join(", ")} and watching that it stays up`);
    serving = await startAndStay(candidates, ports, signal);
    commit(deployment, target, images, recorded, candidates, ports);
    tell("committed", `${service.name} runs ${images.get(service.name)} from now on`);
  } catch (error) {
    return await rollBack(error, deployment, target, project, before, ports);
  }
  const reason = await tidyUp(deployment, project, service, old, serving, ports);
  return { status: "succeeded", changed: true, digest, reason, code: undefined };
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

/**
 * The new version serves and is recorded: what goes wrong from here on is made good when services are brought up.
 * @returns what the caller should know all the same
 */
async function tidyUp(
  deployment: Deployment,
  project: Project,
  service: Service,
  old: Container[],
  serving: Container[],
  ports: Ports,
): Promise<string> {
  try {
    noteRunning(serving, old, ports.store);
    await ports.compose.writePins(imageTexts(ports.store.pins()));
    await remove(old, { volumes: false }, ports);
    if (old.length > 0) storyOf(deployment, ports)("removed", `removed ${old.map(shortId).join(", ")}`);
    await ports.compose.forget(ports.store.neededRecords());
    return (await renewSharers(project, service, ports)).join("\n");
  } catch (error) {
    ports.journal.event(deployment.id, "log", "warn", `tidying up failed: ${publicMessage(error)}`);
    ports.log.warn("tidying up after a deployment failed", { deployment: deployment.id, error });
    return "";
  }
}
