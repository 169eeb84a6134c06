import type { DeploymentRequest } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { Service } from "./compose.ts";
import type { Pin, Store, Version } from "./store.ts";

/** How many images with their configurations a service can go back to, the running one included. */
const SET_SIZE = 5;
/** Earlier decisions for what is in the set anyway: they cost no image, and people know deployments by their ids. */
const OTHERS_KEPT = 20;

/** Versions of one service as the store has them: last committed first. */
type Versions = readonly Version[];

/** The five most recently committed distinct images with their configurations, newest first, each by its last commit. */
export function rollbackSet(versions: Versions): Version[] {
  const set: Version[] = [];
  for (const version of versions) {
    if (set.length < SET_SIZE && !set.some((other) => isSame(other, version))) set.push(version);
  }
  return set;
}

/** The versions worth remembering: the rollback set and the latest other decisions for the same. */
export function keptVersions(versions: Versions): Version[] {
  const set = rollbackSet(versions);
  const others = versions
    .filter((version) => !set.includes(version) && set.some((other) => isSame(other, version)))
    .slice(0, OTHERS_KEPT);
  const kept = new Set([...set, ...others]);
  return versions.filter((version) => kept.has(version));
}

/**
 * The version that a rollback of a service wants. A pin whose image text the operator has changed does not hold any more.
 * Errors: `not_found` for a deployment that is not known, `conflict` for one that left no version, and when there is none.
 */
export function versionToGoBackTo(
  { to }: Pick<DeploymentRequest, "to">,
  { name: service, image }: Pick<Service, "name" | "image">,
  store: Pick<Store, "versions" | "pins" | "find">,
): Version {
  const versions = store.versions(service);
  if (to === undefined) {
    const pin = store.pins().find((pin) => pin.service === service && pin.fileImage === image);
    return previousVersion(service, versions, pin);
  }
  if (store.find(to) === undefined)
    throw new DeployerError("not_found", `unknown deployment ${JSON.stringify(to)}`);
  return versionOf(service, versions, to);
}

/**
 * Where a rollback goes that names no deployment: the newest decision below the one that runs for another image or
 * configuration.
 *
 * Decisions are numbered like the steps of an undo: a deployment is one more than what it replaces, a rollback has the
 * number it went back to. So two rollbacks in a row go back two steps, and what was rolled back has no number below
 * that of anything that follows: v1 (1), v2 (2), bad (3), back to v2 (2), v3 (3), and back from there is v2 again, never bad.
 * Where two decisions have one number, the later one took the place of the other.
 *
 * Errors: `conflict`, saying why there is nothing to go back to.
 */
export function previousVersion(service: string, versions: Versions, pin: Pin | undefined): Version {
  const kept = keptVersions(versions);
  const running = kept.find(({ deployment }) => deployment === pin?.deployment);
  if (running === undefined) throw nothingBefore(service, whyUnknown(kept, pin), kept);
  const [previous] = kept
    .filter((version) => version.number < running.number && !isSame(version, running))
    .toSorted((a, b) => b.number - a.number); // stable: of one number the last committed stays first
  if (previous !== undefined) return previous;
  const others = kept.filter((version) => !isSame(version, running));
  throw nothingBefore(service, `nothing earlier than ${running.deployment}, which runs, is kept`, others);
}

/** The version that a deployment committed. Errors: `conflict`, naming those there are. */
export function versionOf(service: string, versions: Versions, to: string): Version {
  const kept = keptVersions(versions);
  const found = kept.find(({ deployment }) => deployment === to);
  if (found !== undefined) return found;
  throw new DeployerError(
    "conflict",
    `deployment ${JSON.stringify(to)} left no version of service "${service}" that is kept; ${choice(kept)}`,
  );
}

/** The number of a decision: that of the version it goes back to, or one more than that of the last one. */
export function numberOf({ version }: { version: Version | undefined }, versions: Versions): number {
  return version?.number ?? (versions[0]?.number ?? 0) + 1;
}

function isSame(a: Version, b: Version): boolean {
  // Of what was deployed before versions were recorded the id is not known.
  const hasIds = a.imageId !== "" && b.imageId !== "";
  const isSameImage = hasIds ? a.imageId === b.imageId : a.digest === b.digest;
  return isSameImage && a.configHash === b.configHash;
}

function nothingBefore(service: string, why: string, others: Versions): DeployerError {
  return new DeployerError(
    "conflict",
    `service "${service}" has no earlier version to go back to: ${why}; ${choice(others)}`,
  );
}

function whyUnknown(kept: Versions, pin: Pin | undefined): string {
  if (kept.length === 0) return "no deployment of it is recorded";
  return pin === undefined
    ? "since its last deployment the image in the compose file was changed"
    : `${pin.deployment}, which runs, is of a time when versions were not recorded`;
}

function choice(versions: Versions): string {
  const ids = versions.map(({ deployment }) => deployment).join(", ");
  return ids === ""
    ? "deploy the image you want"
    : `name one with "to": ${ids}; or deploy the image you want`;
}
