import type { ImageReference } from "./image.ts";
import type { Secret } from "./secret.ts";

/** A container of the project, as Docker sees it now. */
export type Container = {
  id: string;
  name: string;
  /** The compose service it belongs to. */
  service: string;
  state: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  exitCode: number;
  /** What its HEALTHCHECK says; `none` when it has none. */
  health: "none" | "starting" | "healthy" | "unhealthy";
  /** Its HEALTHCHECK; undefined without one, and when it is disabled. */
  healthcheck: Healthcheck | undefined;
  /** What the last run of its HEALTHCHECK printed, one line; `""` before the first. */
  healthOutput: string;
  /** It exposes a port, by its image or the compose file: a server, not a job. */
  exposesPorts: boolean;
  /** Those of them that are TCP, ascending. */
  tcpPorts: number[];
  /** The networks it is attached to, or will be once it is started. Empty in another's network, or without any. */
  networks: Attachment[];
  /** `host`, `none`, `container:<id>`, or the name of a network. */
  networkMode: string;
  oomKilled: boolean;
  /** How often Docker restarted it by its restart policy. */
  restarts: number;
  /** RFC 3339, `""` when it never started. */
  startedAt: string;
  /** RFC 3339, `""` when it never ended. */
  finishedAt: string;
  /** `no`, `always`, `unless-stopped` or `on-failure`. */
  restartPolicy: string;
  /** The image as the container was told: `repo:tag`, `repo:tag@sha256:…`. */
  imageText: string;
  /** The image it really runs, `sha256:…`. */
  imageId: string;
  /** Compose's own configuration hash: a hint, it differs between Compose versions. */
  composeHash: string;
  /** Made by `docker compose run`. */
  oneOff: boolean;
  /** Names of volumes nobody named: Compose carries them over only in its own recreate. */
  anonymousVolumes: string[];
  labels: Readonly<Record<string, string>>;
};

/** A HEALTHCHECK with Docker's defaults filled in. */
export type Healthcheck = {
  /** As it is executed in the container: `CMD-SHELL` has become `["/bin/sh", "-c", …]`. */
  argv: string[];
  intervalMs: number;
  timeoutMs: number;
  startPeriodMs: number;
  retries: number;
};

/** A container's place in a network. */
export type Attachment = {
  network: string;
  /** Id of the network. */
  networkId: string;
  /** Names that peers find it by, without its own id and name: its service, and what the compose file adds. */
  aliases: string[];
  /** IPv4, else IPv6; `""` while it does not run. */
  address: string;
  /** What else the compose file says of it there (static addresses, links, driver options), in Docker's words: for `connect`. */
  settings: Readonly<Record<string, unknown>>;
};

/** A network of containers on this host. */
export type Network = {
  id: string;
  name: string;
  /** The first of IPv4, `10.0.0.0/24`; `""` without one. */
  subnet: string;
  labels: Readonly<Record<string, string>>;
};

/** A bridge network to be. */
export type NewNetwork = {
  name: string;
  labels: Readonly<Record<string, string>>;
  /** No way out, and none in but from this host: being in it changes no container's default route. */
  internal: boolean;
  /** Its containers reach each other. */
  openInside: boolean;
  /** Undefined: as Docker's pools have one. Static addresses need one that was said. */
  ipv4: { subnet: string; gateway: string; dynamicRange: string } | undefined;
};

/** A container that is in a network, or will be once it is started. */
type Member = {
  container: string;
  /** The static one, else that of now; `""` without. IPv4. */
  address: string;
};

/** A container's port on this host. */
export type Publisher = { container: string; project: string; service: string };

/** A local image. */
export type Image = {
  id: string;
  os: string;
  /** In Go's words: `amd64`, `arm64`. */
  architecture: string;
  /** It declares volumes: each of its containers gets anonymous ones. */
  hasVolumes: boolean;
  /** `repo:tag`. */
  tags: string[];
  /** `repo@sha256:…`. */
  digests: string[];
};

export type ExecResult = {
  /** Undefined when it was still running at the deadline. */
  exitCode: number | undefined;
  /** The last line it printed, without control characters. */
  output: string;
};

/** The Docker Engine API. Every call has a deadline of its own; failures are `docker` errors. */
export interface Engine {
  /** Another text after each start of the engine; `""` where that cannot be told (no default bridge). */
  startId(): Promise<string>;
  /** Resolves when the engine goes away (it was stopped or restarted) or when the signal aborts; throws `docker` when it is not there. */
  untilGone(signal: AbortSignal): Promise<void>;
  /** The engine's version; throws `docker` when it cannot be reached within two seconds. */
  ping(): Promise<{ version: string; apiVersion: string }>;
  /** All containers of a compose project in any state, one-off ones too. */
  containers(project: string): Promise<Container[]>;
  /** One container, or undefined when it is gone. */
  container(id: string): Promise<Container | undefined>;
  start(id: string): Promise<void>;
  /** Sends the container's stop signal, waits its grace, then kills it. Already stopped or gone is success. */
  stop(id: string): Promise<void>;
  /**
   * Sends a container a signal on which it ends in its own time; its restart policy does not bring it back. Not running, or
   * gone, is success.
   */
  endBySignal(id: string, signal: string): Promise<void>;
  /**
   * Whether somebody has sent a container its stop signal, or SIGKILL, since it was last started: it may run on until its
   * grace is over. Docker remembers its last 256 events only. Gone is false.
   */
  wasToldToStop(id: string): Promise<boolean>;
  /** Stops a container as `stop` does, then starts it: one step of Docker's, which goes on when this process is killed. */
  restart(id: string): Promise<void>;
  /** Removes a container, killing it if it runs; `volumes` also removes its anonymous volumes. Gone is success. */
  remove(id: string, options: { volumes: boolean }): Promise<void>;
  /** The last lines a container printed, stdout and stderr in order, without control characters. */
  logs(id: string, lines: number): Promise<string[]>;
  /** Runs a command in a running container as its own user, and waits for it until the deadline. Errors: `docker`, when it does not run. */
  exec(id: string, argv: string[], deadlineMs: number): Promise<ExecResult>;
  /** Takes a container off a network, whether it runs or not. Not attached is success. */
  disconnect(networkId: string, id: string): Promise<void>;
  /** Attaches a container to a network, with these aliases and what else the compose file says of it there. Attached is success. */
  connect(attachment: Attachment, id: string): Promise<void>;
  /** A network by its name; undefined when there is none. */
  network(name: string): Promise<Network | undefined>;
  /** @returns its id. Errors: `docker`, also when the name is taken, or the subnet */
  createNetwork(network: NewNetwork): Promise<string>;
  /** Removes a network that no running container is in. Gone is success. */
  removeNetwork(id: string): Promise<void>;
  /** Containers of whatever project that are in a network of this name, in any state. */
  members(network: string): Promise<Member[]>;
  /** The running containers that publish this TCP port on the host. `project` and `service`: `""` for those that Compose did not make. */
  publishers(port: number): Promise<Publisher[]>;
  /** The engine's platform, and the folder it keeps images in. */
  info(): Promise<{ os: string; architecture: string; rootDir: string }>;
  /** The id (`sha256:…`) of a local image, or undefined when this host does not have it. */
  imageId(image: string): Promise<string | undefined>;
  /** A local image by any of its names or its id. */
  image(image: string): Promise<Image | undefined>;
  /** All local images by their names, without intermediate layers. */
  images(): Promise<Pick<Image, "id" | "tags" | "digests">[]>;
  /** Gives a local image one more name. Errors: `docker`. */
  tag(id: string, repository: string, tag: string): Promise<void>;
  /** Removes a name of an image, and the image with its last one. Used by a container: `in use`; not there: `gone`. */
  removeImage(name: string): Promise<"removed" | "in use" | "gone">;
  /** Asks the registry through Docker which digest (`sha256:…`) a reference has now. */
  resolveDigest(image: string, credential: Credential | undefined, signal: AbortSignal): Promise<string>;
  /**
   * Pulls `repository@digest` or `repository:tag`; Docker needs nothing but this request's credential. What `progress`
   * throws stops the pull. `platform`: `os/architecture[/variant]` instead of the engine's own.
   */
  pull(
    repository: string,
    tagOrDigest: string,
    credential: Credential | undefined,
    progress: (progress: PullProgress) => void,
    signal: AbortSignal,
    platform?: string,
  ): Promise<void>;
}

/** Sent with one request in `X-Registry-Auth`, never stored. */
export type Credential = { username: string; password: Secret; server: string };

/** Sizes are those of the compressed layers, as far as Docker knows them yet: it learns them one after the other. */
export type PullProgress = {
  downloadedBytes: number;
  /** Of the layers that were downloaded, those unpacked too. */
  unpackedBytes: number;
  totalBytes: number;
  layers: number;
  layersDone: number;
};

/** Registries with their credentials and the retries that can help. */
export interface Registry {
  /** The digest a reference has now. Errors: `registry_denied`, `image_not_found`, `registry_unavailable`. */
  resolve(image: ImageReference, signal: AbortSignal): Promise<string>;
  /** Asks the registry whether it has an image, by its digest if it has one, and trouble on the way is an answer. Same errors as `resolve`. */
  assertThere(image: ImageReference, signal: AbortSignal): Promise<void>;
  /**
   * Brings `image` at `tagOrDigest` to this host; nothing is fetched when that is there already.
   * A digest leaves the host's tags alone; a tag sets it, as `docker pull` would.
   * Same errors as `resolve`, `wrong_platform`, `disk_full`, and what `onProgress` throws, which stops the pull.
   */
  pull(image: ImageReference, tagOrDigest: string, signal: AbortSignal, options?: PullOptions): Promise<void>;
}

export type PullOptions = {
  /** Called a few times a second at most. */
  onProgress?: (progress: PullProgress) => void;
  /** `os/architecture[/variant]` instead of the host's. */
  platform?: string | undefined;
};
