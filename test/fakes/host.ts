import type { EdgeSettings } from "../../src/core/edge-settings.ts";
import { DeployerError } from "../../src/core/errors.ts";
import type { Service } from "../../src/core/compose.ts";
import type { Attachment, Container } from "../../src/core/engine.ts";
import { type FakeClock, fakeClock } from "./clock.ts";
import { FakeImages } from "./images.ts";
import { end, healthcheckOf, type Life, live } from "./life.ts";

export type Hook = () => void | Promise<void>;

/** What the fake engine, Compose and registry have in common: one host with its containers and images. */
export class FakeHost {
  readonly clock: FakeClock = fakeClock();
  /** Only what changes something. */
  readonly calls: string[] = [];
  readonly hooks = new Map<string, Hook>();
  readonly images = new FakeImages();
  readonly containers = new Map<string, Container>();
  /** Those that were sent their stop signal since they were started. */
  readonly told = new Set<string>();
  /** Compose has made it. */
  hasNetwork = true;
  /** The compose file. */
  readonly file: Map<string, Service>;
  readonly recordings = new Map<string, Map<string, Service>>();
  readonly #numbers = new Map<string, number>();
  #addresses = 1;
  #isThere = true;
  #gone = Promise.withResolvers<void>();
  starts = 1;

  readonly edge: EdgeSettings | undefined;

  constructor(services: Service[], edge?: EdgeSettings) {
    this.edge = edge;
    this.file = new Map(services.map((each) => [each.name, each]));
  }

  /** Something that takes effect if its hook lets it. */
  async act(call: string, effect: () => void): Promise<void> {
    this.calls.push(call);
    await this.hooks.get(call)?.();
    effect();
  }

  /** Resolves when the engine goes away. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  assertThere(): void {
    if (!this.#isThere) throw new DeployerError("docker", "Docker cannot be reached");
  }

  existing(id: string): Container {
    this.assertThere();
    const container = this.containers.get(id);
    if (container === undefined) throw new DeployerError("docker", `No such container: ${id}`);
    return this.seen(container);
  }

  lifeOf({ imageText, imageId }: Container): Life {
    return this.images.lifeOf(imageText, imageId);
  }

  /** As it is now. */
  seen(container: Container): Container {
    live(container, this.lifeOf(container), this.clock.now());
    return container;
  }

  /** Those of a service, or all, without one-off ones. */
  all(name?: string): Container[] {
    return [...this.containers.values()].filter(
      (each) => !each.oneOff && (name === undefined || each.service === name),
    );
  }

  create(from: Service, fields: Partial<Container> = {}): Container {
    const imageText = from.image ?? from.builtImage;
    const imageId = this.images.idOf(imageText);
    if (imageId === undefined) throw new DeployerError("rollout", `No such image: ${imageText}`);
    const kind = fields.oneOff === true ? `${from.name}-run` : from.name;
    const number = (this.#numbers.get(kind) ?? 0) + 1;
    this.#numbers.set(kind, number);
    const life = this.images.lifeOf(imageText, imageId);
    const healthcheck = healthcheckOf(life);
    const id = `${kind}-${number}`;
    const container: Container = {
      id,
      name: from.containerName ?? `shop-${id}`,
      service: from.name,
      state: "created",
      exitCode: 0,
      health: healthcheck === undefined ? "none" : "starting",
      healthcheck,
      healthOutput: "",
      exposesPorts: life.exposesPorts ?? false,
      tcpPorts: life.exposesPorts === true ? [80] : [],
      networks: [attachment(from.name)],
      networkMode: "shop_default",
      oomKilled: false,
      restarts: 0,
      startedAt: "",
      finishedAt: "",
      restartPolicy: "no",
      imageText,
      imageId,
      composeHash: hashOf(from),
      oneOff: false,
      anonymousVolumes: life.anonymousVolume === true ? [`volume of ${id}`] : [],
      labels: {},
      ...fields,
    };
    this.containers.set(container.id, container);
    return container;
  }

  run(container: Container): void {
    if (container.state === "running") return;
    this.told.delete(container.id);
    const startedAt = new Date(this.clock.now()).toISOString();
    Object.assign(container, { state: "running", exitCode: 0, restarts: 0, startedAt, oomKilled: false });
    if (container.healthcheck !== undefined)
      Object.assign(container, { health: "starting", healthOutput: "" });
    for (const each of container.networks) each.address = this.newAddress();
  }

  end(container: Container, exitCode: number): void {
    end(container, exitCode, this.clock.now());
  }

  newAddress(): string {
    this.#addresses += 1;
    return `10.0.0.${this.#addresses}`;
  }

  /** Docker stops, and its containers with it. */
  stop(): void {
    this.#isThere = false;
    for (const container of this.containers.values())
      if (this.seen(container).state === "running") this.end(container, 143);
    this.#gone.resolve();
    this.#gone = Promise.withResolvers();
  }

  /** Docker is back, and has started what its policies say. */
  start(): void {
    this.#isThere = true;
    this.starts += 1;
    for (const container of this.containers.values())
      if (container.restartPolicy === "always") this.run(container);
  }
}

/** What Compose hashes: the image text is part of it. */
export function hashOf({ configHash, image, builtImage }: Service): string {
  return `${configHash}, ${image ?? builtImage}`;
}

function attachment(service: string): Attachment {
  return {
    network: "shop_default",
    networkId: "id of shop_default",
    aliases: [service],
    address: "",
    settings: {},
  };
}
