import type { Deployment } from "./deployment.ts";
import type { Image } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Version } from "./store.ts";
import { keptVersions, rollbackSet } from "./versions.ts";

/** Local tags in a repository of our own keep `docker image prune` away from what can be gone back to. Nothing pulls or pushes them. */
const REPOSITORY = "deployer.local/keep";

type Keeper = Pick<Ports, "store" | "engine" | "log">;

/**
 * Gives every image of the rollback sets its local tag. To be called right after a commit; safe to repeat. A failure only
 * warns: the image is still there, and the next call makes up for it.
 */
export async function keepImages({ store, engine, log }: Keeper): Promise<void> {
  try {
    const images = await engine.images();
    for (const version of allVersions(store).flatMap(rollbackSet)) {
      const tag = tagOf(version, store);
      const image = images.find((each) => isOf(each, version));
      // What is gone is fetched again when it is gone back to.
      if (tag === undefined || image === undefined || image.tags.includes(`${REPOSITORY}:${tag}`)) continue;
      await engine.tag(image.id, REPOSITORY, tag);
    }
  } catch (error) {
    log.warn("an image could not be tagged, so that docker image prune may remove it", { error });
  }
}

/** All versions, those of a service together, last committed first. */
export function allVersions(store: Ports["store"]): Version[][] {
  return [...Map.groupBy(store.versions(), ({ service }) => service).values()];
}

/** Names of images that must stay: those of the rollback sets, and those that containers are or may yet be created with. */
export function neededNames(store: Ports["store"]): Set<string> {
  const all = allVersions(store);
  const unfinished = store.unfinished();
  const created = [...all.flatMap(keptVersions), ...store.pins()].map(({ imageText }) => imageText);
  const kept = all.flatMap(rollbackSet).flatMap((version) => nameOf(version, store) ?? []);
  const coming = unfinished.flatMap((deployment) =>
    deployment.parts.map(({ service }) => `${REPOSITORY}:${keepTag(deployment, service)}`),
  );
  return new Set([...created, ...kept, ...coming]);
}

/** The local names a version is responsible for. */
export function namesOf(version: Version, store: Ports["store"]): string[] {
  const names = [nameOf(version, store) ?? [], version.imageText].flat();
  return names.filter((name) => deploymentOf(name) !== undefined);
}

/** The deployment that a local name of ours is of; undefined for any other name. */
export function deploymentOf(name: string): string | undefined {
  return name.startsWith(`${REPOSITORY}:`) ? name.slice(REPOSITORY.length + 1).split(".")[0] : undefined;
}

/** Of what was deployed before versions were recorded the id is not known, but the digest is. */
function isOf({ id, digests }: Pick<Image, "id" | "digests">, { imageId, digest }: Version): boolean {
  return imageId === "" ? digests.some((text) => text.endsWith(`@${digest}`)) : id === imageId;
}

function nameOf(version: Version, store: Ports["store"]): string | undefined {
  const tag = tagOf(version, store);
  return tag === undefined ? undefined : `${REPOSITORY}:${tag}`;
}

function tagOf({ deployment, service }: Version, store: Ports["store"]): string | undefined {
  const found = store.find(deployment);
  return found && keepTag(found, service);
}

/** The deployment and the place of the service in it: names of services may be longer than tags. */
function keepTag({ id, parts }: Deployment, service: string): string {
  return `${id}.${parts.findIndex((part) => part.service === service)}`;
}
