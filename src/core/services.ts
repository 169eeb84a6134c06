import { isKeptUp, isRunning } from "./containers.ts";
import { parseImage } from "./image.ts";
import { withImage } from "./pins.ts";
import type { Project, Service } from "./compose.ts";
import type { ServerState } from "./edge.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Route } from "./settings.ts";
import type { Pin } from "./store.ts";
import { type VersionState, versionStates } from "./version-states.ts";

/** A service as it should be and as it is. */
export type ServiceState = {
  name: string;
  /** `stopped`: it has containers, none of which Docker keeps up; a job that has ended is stopped too, see `exitCode`. */
  state: "running" | "stopped" | "none";
  /** The worst health of its running containers; undefined when none runs. */
  health: Container["health"] | undefined;
  replicas: { wanted: number; running: number };
  /** By the pin if it still holds, else by the compose file, whose tags have no digest until they are deployed. */
  wanted: { image: string; digest: string | undefined };
  /** What its containers were created from; undefined without any. */
  running: { image: string; digest: string | undefined; imageId: string } | undefined;
  /** When the container that has run longest was started, RFC 3339. */
  since: string | undefined;
  /** Of a stopped container. */
  exitCode: number | undefined;
  /** Which deployment decided what it runs, if one did and that still holds. */
  deployment: string | undefined;
  drift: Drift[];
  /** What it can go back to, last committed first; what it runs is one of them. */
  versions: VersionState[];
  /** How it stands behind the edge; undefined without a route. */
  edge: { routes: readonly Route[]; servers: readonly ServerState[] } | undefined;
};

/** How a service differs from the compose file and its pin. */
type Drift = { kind: "image" | "configuration" | "no_container" | "replicas"; text: string };

const MAX_KNOWN_LABELS = 1_000;

/**
 * Looks at every service of the compose file; changes nothing. One list of containers and one of images is asked of Docker;
 * Compose is asked only about containers of which we do not know the origin, and about each only once.
 * Errors: `compose_file`, `docker`.
 */
export function createServices(ports: Ports): () => Promise<ServiceState[]> {
  const labels = new Map<string, string>();

  async function label(project: Project, container: Container): Promise<string> {
    const pinned = new Map(
      ports.store
        .pins()
        .filter(({ service }) => project.services.has(service))
        .map((pin) => [pin.service, pin.imageText]),
    );
    const recorded = await ports.compose.record(withImage(pinned, container.service, container.imageText));
    const key = `${recorded} ${container.service}`;
    const known = labels.get(key);
    if (known !== undefined) return known;
    const fresh = await ports.compose.labelHash(recorded, container.service);
    if (labels.size >= MAX_KNOWN_LABELS) labels.clear();
    labels.set(key, fresh);
    return fresh;
  }

  async function hasOtherConfiguration(
    project: Project,
    service: Service,
    own: Container[],
  ): Promise<boolean> {
    for (const container of own) {
      const origin = ports.store.origin(container.id);
      if (
        origin === undefined
          ? (await label(project, container)) !== container.composeHash
          : origin.configHash !== service.configHash
      )
        return true;
    }
    return false;
  }

  return async () => {
    const project = await ports.compose.project();
    const containers = await ports.engine.containers(project.name);
    const images = new Set((await ports.engine.images()).map(({ id }) => id));
    const pins = new Map(ports.store.pins().map((pin) => [pin.service, pin]));
    const states: ServiceState[] = [];
    for (const service of project.services.values()) {
      const own = containers.filter((each) => each.service === service.name && !each.oneOff);
      const isReconfigured = await hasOtherConfiguration(project, service, own);
      const pin = pins.get(service.name);
      const kept = ports.store.versions(service.name);
      const versions = await versionStates(kept, images, heldBy(service, pin), ports.engine);
      const edge = await edgeOf(service, ports);
      states.push({ ...stateOf(service, pin, own, isReconfigured), versions, edge });
    }
    return states;
  };
}

function stateOf(
  service: Service,
  pin: Pin | undefined,
  containers: Container[],
  isReconfigured: boolean,
): Omit<ServiceState, "versions" | "edge"> {
  const holding = heldBy(service, pin);
  const image = holding?.imageText ?? service.image ?? service.builtImage;
  const up = containers.filter(isKeptUp);
  const shown = up[0] ?? containers[0];
  return {
    name: service.name,
    state: up.length > 0 ? "running" : containers.length > 0 ? "stopped" : "none",
    health: worst(up),
    replicas: { wanted: service.replicas, running: containers.filter(isRunning).length },
    wanted: { image, digest: holding?.digest ?? parseImage(image)?.digest },
    running: shown && {
      image: shown.imageText,
      digest: parseImage(shown.imageText)?.digest,
      imageId: shown.imageId,
    },
    since: up.map(({ startedAt }) => startedAt).toSorted()[0],
    exitCode: up.length === 0 && shown?.state === "exited" ? shown.exitCode : undefined,
    deployment: holding?.deployment,
    drift: driftOf(service, pin, image, containers, isReconfigured),
  };
}

/** A proxy that does not answer is told by `/ready`; here it has no server. */
async function edgeOf(
  { name, settings }: Service,
  { edge }: Pick<Ports, "edge">,
): Promise<ServiceState["edge"]> {
  const { routes } = settings;
  return routes.length === 0 ? undefined : { routes, servers: await edge.servers(name).catch(() => []) };
}

/** A pin whose image text the operator has changed is dropped by the next deployment: the file's word counts already. */
function heldBy(service: Service, pin: Pin | undefined): Pin | undefined {
  return pin?.fileImage === service.image ? pin : undefined;
}

function driftOf(
  service: Service,
  pin: Pin | undefined,
  image: string,
  containers: Container[],
  isReconfigured: boolean,
): Drift[] {
  const isWanted = (pin !== undefined || service.startedByDefault) && service.replicas > 0;
  if (containers.length === 0)
    return isWanted ? [{ kind: "no_container", text: "it should run and has no container" }] : [];
  const drift: Drift[] = [];
  const now = service.image ?? service.builtImage;
  if (pin !== undefined && pin.fileImage !== service.image)
    drift.push({
      kind: "image",
      text: `the compose file said ${pin.fileImage} when it was deployed, and says ${now} now`,
    });
  else {
    const other = containers.find(({ imageText }) => imageText !== image);
    if (other !== undefined)
      drift.push({ kind: "image", text: `it should run ${image} and runs ${other.imageText}` });
  }
  if (isReconfigured)
    drift.push({ kind: "configuration", text: "its configuration is not the one of the compose file" });
  if (containers.length !== service.replicas)
    drift.push({
      kind: "replicas",
      text: `it should have ${service.replicas} containers and has ${containers.length}`,
    });
  return drift;
}

function worst(containers: Container[]): Container["health"] | undefined {
  return (["unhealthy", "starting", "healthy", "none"] as const).find((health) =>
    containers.some((container) => container.health === health),
  );
}
