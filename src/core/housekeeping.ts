import { allVersions, deploymentOf, keepImages, namesOf, neededNames } from "./keep-images.ts";
import type { Image } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { BroughtImage } from "./store.ts";
import { keptVersions } from "./versions.ts";

type Keeper = Pick<Ports, "store" | "engine" | "compose" | "log">;

/**
 * Removes what nothing needs any more: what is known of containers that are gone, versions outside the rollback sets with their local tags, and the images that our
 * deployments brought to this host (`fetchImage` notes them) and that are in no rollback set, no pin and no unfinished
 * deployment.
 *
 * Never an image that has any tag but ours (a person made it, or another daemon on this host keeps it), that was here
 * before we wanted it, or that a container uses, a stopped one too (Docker refuses: nothing is forced). Each look at what
 * is needed is a fresh one, right before the removal; when the store cannot be read, nothing is removed.
 *
 * What is noted is forgotten only when it is gone: whatever a kill leaves is found by the next call. It never throws.
 */
export async function keepHouse(ports: Keeper, signal: AbortSignal): Promise<void> {
  try {
    await keepImages(ports);
    await dropVersions(ports, signal);
    await removeLeftTags(ports, signal);
    for (const brought of ports.store.broughtImages()) {
      signal.throwIfAborted();
      await removeUnlessNeeded(brought, ports);
    }
    await dropOrigins(ports);
    await ports.compose.forget(ports.store.neededRecords());
  } catch (error) {
    if (!signal.aborted) ports.log.warn("what nothing needs any more could not all be removed", { error });
  }
}

/**
 * What a container was created from is of no use when that is gone, and keeps a configuration with its secrets. Known
 * before Docker is asked: what is created meanwhile is not among them.
 */
async function dropOrigins({ store, engine }: Keeper): Promise<void> {
  const project = store.projectName();
  if (project === undefined) return;
  const known = store.origins();
  const present = new Set((await engine.containers(project)).map(({ id }) => id));
  for (const { container } of known) if (!present.has(container)) store.dropOrigin(container);
}

/** A version is known as long as its tags are there: by that we know them as ours. */
async function dropVersions({ store, engine }: Keeper, signal: AbortSignal): Promise<void> {
  for (const versions of allVersions(store)) {
    const kept = keptVersions(versions);
    for (const version of versions.filter((each) => !kept.includes(each))) {
      let isInUse = false;
      for (const name of namesOf(version, store)) {
        signal.throwIfAborted();
        if (neededNames(store).has(name)) continue;
        if ((await engine.removeImage(name)) === "in use") isInUse = true;
      }
      if (!isInUse) store.dropVersion(version);
    }
  }
}

/** Tags of deployments that committed nothing. Those of deployments we do not know are another daemon's. */
async function removeLeftTags({ store, engine }: Keeper, signal: AbortSignal): Promise<void> {
  for (const name of (await engine.images()).flatMap(({ tags }) => tags)) {
    signal.throwIfAborted();
    const deployment = deploymentOf(name);
    if (deployment === undefined || store.find(deployment) === undefined) continue;
    if (!neededNames(store).has(name)) await engine.removeImage(name);
  }
}

async function removeUnlessNeeded(brought: BroughtImage, { store, engine, log }: Keeper): Promise<void> {
  const name = `${brought.repository}@${brought.digest}`;
  const image = await engine.image(name);
  // No pause between the look at what is needed and the call: a deployment that claims the image now waits for it to end.
  if (isNeeded(brought, image, store)) return;
  if (image !== undefined) {
    if (image.tags.length > 0) return;
    const answer = await engine.removeImage(name);
    if (answer === "in use") return;
    log.info("image removed: nothing needs it any more", { image: name });
  }
  store.forgetImage(brought);
}

function isNeeded(
  { repository, digest }: BroughtImage,
  image: Image | undefined,
  store: Ports["store"],
): boolean {
  const now = store
    .broughtImages()
    .find((each) => each.repository === repository && each.digest === digest)?.deployment;
  return (
    store.unfinished().some(({ id }) => id === now) ||
    store.pins().some((pin) => pin.digest === digest) ||
    allVersions(store)
      .flatMap(keptVersions)
      .some((version) => version.digest === digest || version.imageId === image?.id)
  );
}
