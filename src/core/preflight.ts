import { DeployerError } from "./errors.ts";
import type { Service } from "./compose.ts";
import type { Image, PullProgress } from "./engine.ts";
import type { Disk } from "./ports.ts";
import { inWords } from "./size.ts";

const MIB = 1024 * 1024;
/** What a pull leaves free: Docker, its containers and our database go on writing to the same disk. */
const RESERVE_BYTES = 64 * MIB;
/** Compressed layers of usual images unpack to this many times their size. */
const UNPACKED_PER_COMPRESSED = 2.5;
const WHAT_TO_DO =
  "free some space (docker system df shows what takes it; docker image prune and docker builder prune leave alone what is kept to go back to) or give it a larger disk, then deploy again";

/** What an engine runs without being asked for another platform. */
export type Host = { os: string; architecture: string };

/**
 * Errors: `wrong_platform`, for an image that this host, or the platform the compose file names for the service, does not
 * run. An image that does not say what it is for (some that were imported) passes.
 */
export function assertPlatform(image: Image, service: Service, host: Host): void {
  if (image.os === "" || image.architecture === "") return;
  const wanted = service.platform === undefined ? host : parsePlatform(service.platform);
  if (image.os === wanted.os && runs(wanted.architecture).includes(plainArchitecture(image.architecture)))
    return;
  const text = `${wanted.os}/${plainArchitecture(wanted.architecture)}`;
  const whose =
    service.platform === undefined
      ? `this host is ${text}`
      : `the compose file asks for ${text} for service "${service.name}"`;
  throw new DeployerError(
    "wrong_platform",
    `image ${nameOf(image)} is for ${image.os}/${image.architecture}, ${whose}; build it with --platform ${text}`,
  );
}

/** Errors: `disk_full`, when so little is free where Docker keeps images that no pull should begin. */
export function assertRoom(image: string, rootDir: string, disk: Disk): void {
  const free = disk.free(rootDir);
  if (free === undefined || free >= RESERVE_BYTES) return;
  throw new DeployerError(
    "disk_full",
    `${image} was not pulled: only ${inWords(free)} are free in ${rootDir}; ${WHAT_TO_DO}`,
  );
}

/**
 * Stops a pull, by throwing `disk_full`, as soon as what is still to come cannot fit: what is to be downloaded, and what
 * unpacking will have added when the downloaded files are gone.
 *
 * Not known before: the Engine API has no way to ask for the sizes of layers (`/distribution/…/json` answers with digest,
 * media type, size of the manifest itself, and platforms; there is no endpoint for a manifest's content), so they are
 * judged as Docker learns them, and a disk that fills up otherwise is found out by Docker.
 */
export function watchRoom(image: string, rootDir: string, disk: Disk): (progress: PullProgress) => void {
  return ({ downloadedBytes, unpackedBytes, totalBytes }) => {
    const missing =
      totalBytes - downloadedBytes + (UNPACKED_PER_COMPRESSED - 1) * (totalBytes - unpackedBytes);
    const free = disk.free(rootDir);
    if (free === undefined || missing <= 0 || free >= missing + RESERVE_BYTES) return;
    throw new DeployerError(
      "disk_full",
      `the pull of ${image} was stopped: it needs about ${inWords(missing)} more, ${inWords(free)} are free in ${rootDir}; ${WHAT_TO_DO}`,
    );
  };
}

/** As Compose accepts it; the variant decides nothing here. */
function parsePlatform(text: string): Host {
  const [os = "", architecture = ""] = text.split("/");
  return { os, architecture };
}

/** A compose file may also speak as the kernel does: `x86_64`, `aarch64`. */
function plainArchitecture(name: string): string {
  switch (name) {
    case "x86_64":
    case "x86-64":
      return "amd64";
    case "aarch64":
      return "arm64";
    default:
      return name;
  }
}

/**
 * What a machine runs: its own and its 32-bit predecessor, as Docker itself chooses among the platforms of an image
 * (`platformVector` in https://github.com/containerd/platforms/blob/main/compare.go).
 */
function runs(architecture: string): string[] {
  switch (plainArchitecture(architecture)) {
    case "amd64":
      return ["amd64", "386"];
    case "arm64":
      return ["arm64", "arm"];
    default:
      return [architecture];
  }
}

function nameOf({ id, tags, digests }: Image): string {
  return digests[0] ?? tags[0] ?? id;
}
