import { currentPins, imageTexts } from "./pins.ts";
import type { Deployment, Part } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { fetchImage } from "./fetch-image.ts";
import { type ImageReference, parseImage, pinnedText } from "./image.ts";
import { tellLowDisk } from "./low-disk.ts";
import type { ImageTexts, Project, Service, Source } from "./compose.ts";
import type { Image } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { assertPlatform } from "./preflight.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { bringRecordedImage } from "./recorded-image.ts";
import { authorise } from "./request.ts";
import type { Version } from "./store.ts";
import { storyOf } from "./story.ts";
import { versionToGoBackTo } from "./versions.ts";

/** What one service of a deployment is to run, with its image on this host. */
export type Target = {
  /** As it shall be: of the compose file, or of the configuration gone back to. */
  service: Service;
  /** Text its containers are created with. */
  imageText: string;
  /** What the compose file says now. */
  fileImage: string;
  /** `sha256:…`: decided once, so that what was pulled is what runs, whatever the tag does meanwhile. */
  digest: string;
  image: Image;
  /** The version it goes back to. */
  version: Version | undefined;
};

/** What a deployment wants to run, and what its containers are created from. */
export type Goal = {
  project: Project;
  targets: Target[];
  /** Texts of all services that do not run what the compose file says. */
  images: ImageTexts;
  source: Source;
};

/**
 * Decides what to roll out and brings it to this host; nothing that serves is touched. A rollback asks no registry for
 * an image that is still here.
 * Errors: `compose_file`, `not_found`, `not_deployable`, `conflict` without a version to go back to, `wrong_platform`,
 * `disk_full`, and those of the registry.
 */
export async function bringGoal(deployment: Deployment, ports: Ports, signal: AbortSignal): Promise<Goal> {
  const project = await ports.compose.project();
  const services = authorise(deployment, project);
  const pins = imageTexts(await currentPins(project, ports));
  const host = await ports.engine.info();
  tellLowDisk(deployment, host.rootDir, ports);
  const targets: Target[] = [];
  for (const [index, part] of deployment.parts.entries()) {
    const service = services[index];
    if (service === undefined) throw new DeployerError("internal", `no service for ${part.service}`);
    const target = await (deployment.kind === "rollback"
      ? bringVersion(deployment, service, ports, signal)
      : bringImage(deployment, part, service, ports, signal));
    assertPlatform(target.image, target.service, host);
    targets.push(target);
  }
  const images = new Map([
    ...pins,
    ...targets.map(({ service, imageText }) => [service.name, imageText] as const),
  ]);
  const recorded = targets.find(({ version }) => version !== undefined)?.version?.recorded;
  return { project, targets, images, source: recorded === undefined ? { images } : { recorded } };
}

async function bringImage(
  deployment: Deployment,
  part: Part,
  service: Service,
  ports: Ports,
  signal: AbortSignal,
): Promise<Target> {
  const tell = storyOf(deployment, ports);
  const fileImage = service.image ?? service.builtImage;
  const reference = referenceOf(part.image ?? fileImage, service);
  const digest = await digestOf(reference, deployment, ports, signal);
  const imageText = pinnedText(reference, digest);
  tell("resolved", `to be rolled out: ${imageText}`);
  await fetchImage(deployment.id, reference, digest, service.platform, ports, signal);
  tell("pulled", `${imageText} is on this host`);
  const image = await localImage(`${reference.name}@${digest}`, ports);
  return { service, imageText, fileImage, digest, image, version: undefined };
}

/** The same for all its services, and for what its `before` commands have run with, whatever the tag does meanwhile. */
async function digestOf(
  reference: ImageReference,
  deployment: Deployment,
  ports: Ports,
  signal: AbortSignal,
): Promise<string> {
  if (reference.digest !== undefined) return reference.digest;
  const { resolved } = progressOf(deployment, ports);
  const known = resolved
    .flatMap((text) => parseImage(text)?.digest ?? [])
    .find((digest) => resolved.includes(pinnedText(reference, digest)));
  if (known !== undefined) return known;
  const digest = await ports.registry.resolve(reference, signal);
  saveProgress(deployment, { resolved: [...resolved, pinnedText(reference, digest)] }, ports);
  return digest;
}

async function bringVersion(
  deployment: Deployment,
  service: Service,
  ports: Ports,
  signal: AbortSignal,
): Promise<Target> {
  const tell = storyOf(deployment, ports);
  const version = versionToGoBackTo(deployment, service, ports.store);
  const { imageText, digest } = version;
  tell("resolved", `to go back to: ${imageText} of deployment ${version.deployment}`);
  const local = await ports.engine.imageId(imageText);
  if (local === undefined || local !== version.imageId)
    await bringRecordedImage(version, deployment.id, service.platform, ports, signal);
  tell("pulled", `${imageText} is on this host`);
  const recorded = (await ports.compose.recorded(version.recorded)).services.get(service.name);
  if (recorded === undefined)
    throw new DeployerError("internal", `configuration ${version.recorded} has no service ${service.name}`);
  const fileImage = service.image ?? service.builtImage;
  return {
    service: recorded,
    imageText,
    fileImage,
    digest,
    image: await localImage(imageText, ports),
    version,
  };
}

function referenceOf(text: string, service: Service): ImageReference {
  const reference = parseImage(text);
  if (reference !== undefined) return reference;
  throw new DeployerError(
    "compose_file",
    `service "${service.name}": ${JSON.stringify(text)} is not an image reference`,
  );
}

async function localImage(text: string, { engine }: Ports): Promise<Image> {
  const image = await engine.image(text);
  if (image !== undefined) return image;
  throw new DeployerError(
    "docker",
    `image ${text} was removed from this host in the middle of the deployment`,
  );
}
