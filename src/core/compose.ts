import type { EdgeSettings } from "./edge-settings.ts";
import type { WhereIs } from "./problem.ts";
import type { Settings } from "./settings.ts";

/** A service as `docker compose config` resolves it, reduced to what a rollout needs. */
export type Service = {
  name: string;
  /** The image text of the file; undefined for services built locally. */
  image: string | undefined;
  /** What Compose calls the image when it is built here. */
  builtImage: string;
  /** Our own hash of the resolved service, without image, build, dependencies, scale and `x-` keys. */
  configHash: string;
  /** How many containers the file wants. */
  replicas: number;
  containerName: string | undefined;
  settings: Settings;
  /** TCP ports of the host that it publishes, both ends included; those that Docker picks are not among them. */
  hostPorts: PortRange[];
  /** Why two containers of it cannot run side by side, for people; empty when they can. */
  rollingObstacles: string[];
  /** `os/architecture[/variant]` that the file asks for instead of the host's. */
  platform: string | undefined;
  dependsOn: Dependency[];
  /** Services whose namespaces or volumes its containers live in: they hold on to one container of each. */
  sharesWith: string[];
  /** A plain `docker compose up` starts it: it is in no profile, or in an active one. */
  startedByDefault: boolean;
};

export type PortRange = { from: number; to: number };

export type Dependency = {
  service: string;
  condition: "service_started" | "service_healthy" | "service_completed_successfully";
  required: boolean;
};

/** A project or a service of which only the name matters. */
export type Named = { name: string };

export type Project = {
  name: string;
  services: ReadonlyMap<string, Service>;
  /** The proxy in front of the services that have routes; undefined: the file asks for none. */
  edge: EdgeSettings | undefined;
  whereIs: WhereIs;
};

/** Image text per service: `repo:tag@sha256:…`. Services not named keep what the compose file says. */
export type ImageTexts = ReadonlyMap<string, string>;

/** Of other services, how many containers they have where that is not the number of the file. */
export type OtherCounts = ReadonlyMap<string, number>;

/** Where containers are created from: the compose file as it is now, or a configuration recorded earlier, by its name. */
export type Source = { images: ImageTexts } | { recorded: string };

/** Docker Compose, for what only it knows: resolving the file, creating containers as the file says. It never pulls, builds or starts. */
export interface Compose {
  /** The compose file as it is now. Errors: `compose_file`. */
  project(): Promise<Project>;
  /** Files and folders of the host that the project's containers are given: bind mounts, secrets, configs. Errors: `compose_file`. */
  files(): Promise<string[]>;
  /** Saves the whole resolved project with these image texts; the same content has the same name. Errors: `compose_file`. */
  record(images: ImageTexts): Promise<string>;
  /** A recorded configuration as a project. Errors: `compose_file`, when it is gone. */
  recorded(name: string): Promise<Project>;
  /** Removes recorded configurations that nothing needs any more: they hold secrets, rotated ones too. Recent ones stay. */
  forget(needed: ReadonlySet<string>): Promise<void>;
  /** Compose's own configuration hash of a service in a recorded configuration: what the label of an unchanged container says. */
  labelHash(recorded: string, service: string): Promise<string>;
  /**
   * Creates missing containers so that `service` has `total` in any state, and those of its dependencies that have none;
   * leaves all others alone and starts nothing. Safe to repeat. Errors: `rollout`.
   * @param others asked when nothing else is changing the project. Compose brings dependencies to the number of the file,
   *   by removing the newest: a candidate, or one that serves beside a leftover
   */
  createBeside(
    source: Source,
    service: string,
    total: number,
    others: () => Promise<OtherCounts>,
  ): Promise<void>;
  /**
   * Replaces the containers of `service` by stopped new ones that inherit their anonymous volumes. Errors: `rollout`.
   * @param prepare called when nothing else is changing the project, and again before it is repeated because a signal
   *   ended it half-way
   */
  recreate(
    source: Source,
    service: string,
    prepare: () => Promise<{ withDependencies: boolean }>,
  ): Promise<void>;
  /**
   * Starts a one-off container of `service` with another command (its entrypoint stays) and these labels, and does not wait
   * for its end. Dependencies are left alone; nothing is pulled, built, published, or read from the standard input.
   * Errors: `rollout`; a container may be there all the same, started or not.
   * @param isNeeded asked when nothing else is changing the project, and again before it is repeated because a signal
   *   ended it half-way: false when a container has these labels, then nothing more is done
   */
  runOneOff(
    source: Source,
    service: string,
    argv: string[],
    labels: Readonly<Record<string, string>>,
    isNeeded: () => Promise<boolean>,
  ): Promise<void>;
  /**
   * Creates missing containers of a service in a project of this program's own, so that it has `total` of them in any state;
   * starts and replaces none. Safe to repeat. Errors: `rollout`.
   * @param own its name, and its compose file
   */
  createOwn(own: { project: string; file: string }, service: string, total: number): Promise<void>;
  /** Replaces the file that `docker compose -f <file> -f <pins>` is meant to be used with. */
  writePins(images: ImageTexts): Promise<void>;
}
