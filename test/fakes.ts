import { type Deployment, hasEnded } from "../src/core/deployment.ts";
import { DeployerError } from "../src/core/errors.ts";
import { type ImageReference, parseImage } from "../src/core/image.ts";
import type {
  Clock,
  Compose,
  Container,
  Engine,
  ImageTexts,
  Log,
  OtherCounts,
  Ports,
  Project,
  Registry,
  Service,
  Source,
} from "../src/core/ports.ts";
import type { DeploymentEvent, ReadKey } from "../src/core/history.ts";
import type { Before, Look, Origin, Pin, Store } from "../src/core/store.ts";
import { LiveJournal } from "../src/core/journal.ts";
import type { Guard } from "../src/core/order.ts";
import { Queue } from "../src/core/queue.ts";
import type { SpentKey } from "../src/core/repeat.ts";

/** When every fake world begins. */
export const START = Date.UTC(2026, 10, 23, 12);

type FakeClock = Clock & {
  /** Does something `milliseconds` after `START`. */
  at(milliseconds: number, action: () => void): void;
};

/** Time that passes only while everything sleeps: whoever wakes first is next, and no real time is spent. */
export function fakeClock(): FakeClock {
  let now = START;
  let sleepers: { at: number; wake: () => void }[] = [];
  let isTicking = false;

  function add(at: number, wake: () => void): { at: number; wake: () => void } {
    const sleeper = { at, wake };
    sleepers = [...sleepers, sleeper].toSorted((a, b) => a.at - b.at);
    tick();
    return sleeper;
  }

  function tick(): void {
    if (isTicking || sleepers.length === 0) return;
    isTicking = true;
    setImmediate(() => {
      isTicking = false;
      const next = sleepers.shift();
      if (next === undefined) return;
      now = Math.max(now, next.at);
      next.wake();
      tick();
    });
  }

  return {
    now: () => now,
    at: (milliseconds, action) => void add(START + milliseconds, action),
    async sleep(milliseconds, signal) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sleeper = add(now + milliseconds, resolve);
      const onAbort = (): void => {
        sleepers = sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      await promise.finally(() => signal?.removeEventListener("abort", onAbort));
    },
  };
}

export type FakeLog = Log & { lines: { level: string; message: string; fields: Record<string, unknown> }[] };

export function fakeLog(): FakeLog {
  const lines: FakeLog["lines"] = [];
  const write =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void =>
      void lines.push({ level, message, fields });
  return {
    lines,
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    fatal: write("fatal"),
  };
}

/** The store without a disk. */
export function fakeStore(): Store {
  const deployments = new Map<string, Deployment>();
  const befores = new Map<string, Before>();
  const pins = new Map<string, Pin>();
  const origins = new Map<string, Origin>();
  const events = new Map<string, DeploymentEvent[]>();
  const readKeys = new Map<string, ReadKey>();
  const keys = new Map<string, SpentKey & { deployment: string }>();
  const guards = new Map<string, Guard>();
  let look: Look | undefined;
  let project: string | undefined;
  const save = (deployment: Deployment): void => void deployments.set(deployment.id, { ...deployment });
  const newestFirst = (): Deployment[] =>
    [...deployments.values()].toSorted((a, b) => b.createdAt - a.createdAt || (b.id < a.id ? -1 : 1));
  const isOlder = (a: { createdAt: number; id: string }, b: { createdAt: number; id: string }): boolean =>
    a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id);
  return {
    list: ({ service, status, before, limit }) =>
      structuredClone(
        newestFirst()
          .filter((each) => service === undefined || each.service === service)
          .filter((each) => status === undefined || each.status === status)
          .filter((each) => before === undefined || isOlder(each, before))
          .slice(0, limit),
      ),
    addEvent(id, event) {
      if (!deployments.has(id)) throw new Error("FOREIGN KEY constraint failed");
      const known = events.get(id) ?? [];
      events.set(id, [...known, { ...event, seq: known.length + 1 }]);
    },
    events: (id, after, limit) =>
      structuredClone((events.get(id) ?? []).filter(({ seq }) => seq > after).slice(0, limit)),
    saveReadKey: (key) => void readKeys.set(key.hash, { ...key }),
    readKey: (hash) => structuredClone(readKeys.get(hash)),
    dropExpiredReadKeys(now) {
      for (const [hash, { expiresAt }] of readKeys) if (expiresAt <= now) readKeys.delete(hash);
    },
    prune({ createdBefore, keep, batch }) {
      const pinned = new Set([...pins.values()].map(({ deployment }) => deployment));
      const old = newestFirst()
        .filter((each, index) => index >= keep || each.createdAt < createdBefore)
        .filter((each) => hasEnded(each) && !pinned.has(each.id))
        .slice(-batch);
      for (const { id } of old) {
        deployments.delete(id);
        events.delete(id);
        for (const [hash, { deployment }] of readKeys) if (deployment === id) readKeys.delete(hash);
        for (const [at, { deployment }] of keys) if (deployment === id) keys.delete(at);
      }
      return old.length;
    },
    insert(deployment, acceptance) {
      save(deployment);
      if (acceptance === undefined) return;
      const { superseded, key, run } = acceptance;
      superseded.forEach(save);
      for (const [at, { expiresAt }] of keys) if (expiresAt <= deployment.createdAt) keys.delete(at);
      if (key !== undefined)
        keys.set(JSON.stringify([key.issuer, key.key]), { ...key, deployment: deployment.id });
      if (run !== undefined)
        guards.set(JSON.stringify([deployment.service, run.workflow]), {
          run: { ...run },
          deployment: deployment.id,
        });
    },
    update: save,
    find: (id) => structuredClone(deployments.get(id)),
    unfinished: () =>
      structuredClone([...deployments.values()].filter((deployment) => !hasEnded(deployment))),
    spentKey(issuer, key, now) {
      const found = keys.get(JSON.stringify([issuer, key]));
      if (found === undefined || found.expiresAt <= now) return undefined;
      return { request: found.request, deployment: found.deployment };
    },
    guard: (service, workflow) => structuredClone(guards.get(JSON.stringify([service, workflow]))),
    saveBefore: (id, before) => void befores.set(id, structuredClone(before)),
    saveSwitching(id) {
      const before = befores.get(id);
      if (before !== undefined) befores.set(id, { ...before, switching: true });
    },
    before: (id) => structuredClone(befores.get(id)),
    pins: () => structuredClone([...pins.values()].toSorted((a, b) => (a.service < b.service ? -1 : 1))),
    commit(pin, made) {
      pins.set(pin.service, structuredClone(pin));
      for (const [container, { service }] of origins) if (service === pin.service) origins.delete(container);
      for (const origin of made) origins.set(origin.container, structuredClone(origin));
    },
    dropPin: (service) => void pins.delete(service),
    origin: (container) => structuredClone(origins.get(container)),
    neededRecords() {
      const unfinished = [...befores].filter(([id]) => deployments.get(id)?.endedAt === undefined);
      const needed = [...pins.values(), ...origins.values(), ...unfinished.map(([, before]) => before)];
      return new Set(needed.map(({ recorded }) => recorded));
    },
    saveOrigins: (made) => made.forEach((origin) => origins.set(origin.container, structuredClone(origin))),
    lastLook: () => structuredClone(look),
    saveLook: (next) => void (look = structuredClone(next)),
    projectName: () => project,
    saveProjectName: (name) => void (project = name),
  };
}

/** A service of the compose file: `web` with the image `web:v1`, one container, unless the fields say otherwise. */
export function service(name: string, fields: Partial<Service> = {}): Service {
  return {
    name,
    image: `${name}:v1`,
    builtImage: `shop-${name}`,
    configHash: `config of ${name}`,
    replicas: 1,
    containerName: undefined,
    images: [],
    dependsOn: [],
    sharesWith: [],
    startedByDefault: true,
    ...fields,
  };
}

/** The digest a tag has in the fake registry unless `world.tags` says otherwise. */
export function digestOf(tag: string): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(tag).digest("hex")}`;
}

/** How containers of an image live once they are started; without any of these they run on. */
type Life = {
  /** Docker refuses to start them. */
  cannotStart?: string;
  /** They end after so many milliseconds. */
  exits?: { after: number; code: number; oomKilled?: boolean };
  /** Docker restarts them after so many milliseconds; it is seen running again at once. */
  restartsAfter?: number;
  healthyAfter?: number;
  unhealthyAfter?: number;
  /** An image that exposes a port. */
  exposesPorts?: boolean;
  /** A volume of the image that nobody names. */
  anonymousVolume?: boolean;
};

type Hook = () => void | Promise<void>;

/** Everything a core function works with, in memory. Only what changes something is in `calls`. */
export type World = Ports & {
  clock: FakeClock;
  log: FakeLog;
  queue: Queue;
  calls: string[];
  /** The compose file: change it as the operator would. */
  file: Map<string, Service>;
  /** Digest by `name:tag`, for tags that moved in the registry. */
  tags: Map<string, string>;
  /** Local images: id by `name:tag` or `name@digest`. */
  images: Map<string, string>;
  /** By `name:tag`. */
  lives: Map<string, Life>;
  /** A container as Docker has it, made as Compose makes it from the file; running unless the fields say otherwise. */
  add(name: string, fields?: Partial<Container>): Container;
  /** `web-1 running web:v1` for each container there is. */
  ps(): string[];
  /** `docker stop`, by a person. */
  stopByHand(id: string): void;
  /** Something happens just before a call takes effect, as `calls` names it; what it throws, the call throws. */
  before(call: string, hook: Hook): void;
  /** The call fails with a `docker` error, always. */
  fail(call: string, message?: string): void;
  /** Runs something up to this call, which is never answered: what a killed daemon leaves behind. */
  killedAt(call: string, run: () => Promise<unknown>): Promise<void>;
  /** Docker stops, and its containers with it; or it is back, and has started what its policies say. */
  dockerStops(): void;
  dockerStarts(): void;
};

export function fakeWorld(services: Service[]): World {
  const clock = fakeClock();
  const log = fakeLog();
  const queue = new Queue();
  const store = fakeStore();
  const calls: string[] = [];
  const hooks = new Map<string, Hook>();
  const file = new Map(services.map((each) => [each.name, each]));
  const tags = new Map<string, string>();
  const images = new Map<string, string>();
  const lives = new Map<string, Life>();
  const recordings = new Map<string, Map<string, Service>>();
  const containers = new Map<string, Container>();
  const numbers = new Map<string, number>();
  store.saveProjectName("shop");
  let gone = Promise.withResolvers<void>();
  let dockerIsThere = true;
  let starts = 1;

  async function act(call: string, effect: () => void): Promise<void> {
    calls.push(call);
    await hooks.get(call)?.();
    effect();
  }

  function lifeOf(container: Container): Life {
    return lives.get(container.imageText.split("@")[0] ?? "") ?? {};
  }

  /** Lets a container have lived up to now. */
  function seen(container: Container): Container {
    const life = lifeOf(container);
    if (container.state !== "running") return container;
    const age = clock.now() - Date.parse(container.startedAt);
    if (life.exits !== undefined && age >= life.exits.after) {
      const { after, code, oomKilled = false } = life.exits;
      end(container, code, Date.parse(container.startedAt) + after);
      container.oomKilled = oomKilled;
    } else if (life.restartsAfter !== undefined && age >= life.restartsAfter) {
      container.restarts += 1;
      container.exitCode = 1;
      container.startedAt = timeOf(clock.now());
    }
    if (life.healthyAfter !== undefined) container.health = age >= life.healthyAfter ? "healthy" : "starting";
    if (life.unhealthyAfter !== undefined && age >= life.unhealthyAfter) container.health = "unhealthy";
    return container;
  }

  function end(container: Container, exitCode: number, at = clock.now()): void {
    Object.assign(container, { state: "exited", exitCode, finishedAt: timeOf(at) });
  }

  function run(container: Container): void {
    if (container.state === "running") return;
    Object.assign(container, { state: "running", exitCode: 0, restarts: 0, startedAt: timeOf(clock.now()) });
  }

  function localId(text: string): string | undefined {
    const image = parseImage(text);
    return image?.digest === undefined ? images.get(text) : images.get(`${image.name}@${image.digest}`);
  }

  function all(name?: string): Container[] {
    return [...containers.values()].filter(
      (each) => !each.oneOff && (name === undefined || each.service === name),
    );
  }

  function create(from: Service, inherited: string[] = []): Container {
    const imageText = from.image ?? from.builtImage;
    const imageId = localId(imageText);
    if (imageId === undefined) throw new DeployerError("rollout", `No such image: ${imageText}`);
    const number = (numbers.get(from.name) ?? 0) + 1;
    numbers.set(from.name, number);
    const life = lives.get(imageText.split("@")[0] ?? "");
    const container: Container = {
      id: `${from.name}-${number}`,
      name: from.containerName ?? `shop-${from.name}-${number}`,
      service: from.name,
      state: "created",
      exitCode: 0,
      health: life?.healthyAfter === undefined ? "none" : "starting",
      exposesPorts: life?.exposesPorts ?? false,
      oomKilled: false,
      restarts: 0,
      startedAt: "",
      finishedAt: "",
      restartPolicy: "no",
      imageText,
      imageId,
      composeHash: hashOf(from),
      oneOff: false,
      anonymousVolumes:
        inherited.length === 0 && life?.anonymousVolume === true
          ? [`volume of ${from.name}-${number}`]
          : inherited,
    };
    containers.set(container.id, container);
    return container;
  }

  function resolved(source: Source): Map<string, Service> {
    if ("images" in source) return withTexts(file, source.images);
    const recorded = recordings.get(source.recorded);
    if (recorded === undefined)
      throw new DeployerError("rollout", `no recorded configuration ${source.recorded}`);
    return recorded;
  }

  function serviceIn(project: Map<string, Service>, name: string): Service {
    const found = project.get(name);
    if (found === undefined) throw new DeployerError("rollout", `no such service: ${name}`);
    return found;
  }

  /** As `docker compose up` without `--no-deps`: missing ones are made, and those beyond the file's number removed. */
  function settleDependencies(
    project: Map<string, Service>,
    { dependsOn }: Service,
    others: OtherCounts = new Map(),
  ): void {
    for (const { service } of dependsOn) {
      const dependency = project.get(service);
      if (dependency === undefined) continue;
      settleDependencies(project, dependency, others);
      const wanted = others.get(service) ?? dependency.replicas;
      for (const extra of all(service).slice(wanted)) containers.delete(extra.id);
      while (all(service).length < wanted) create(dependency);
    }
  }

  const engine = {
    async untilGone(signal) {
      assertThere();
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      await Promise.race([gone.promise, aborted.promise]);
    },
    async startId() {
      assertThere();
      return `engine ${starts}`;
    },
    async ping() {
      assertThere();
      return { version: "29.0.0", apiVersion: "1.52" };
    },
    async containers() {
      assertThere();
      return structuredClone([...containers.values()].map(seen));
    },
    async container(id) {
      assertThere();
      const container = containers.get(id);
      return container && structuredClone(seen(container));
    },
    start: (id) =>
      act(`start ${id}`, () => {
        const container = existing(id);
        const { cannotStart } = lifeOf(container);
        if (cannotStart !== undefined) throw new DeployerError("docker", cannotStart);
        run(container);
      }),
    stop: (id) =>
      act(`stop ${id}`, () => {
        assertThere();
        const container = containers.get(id);
        if (container !== undefined && ["running", "restarting", "paused"].includes(seen(container).state))
          end(container, 143);
      }),
    remove: (id, { volumes }) =>
      act(`remove ${id}${volumes ? " with volumes" : ""}`, () => {
        assertThere();
        containers.delete(id);
      }),
    logs: async () => [],
    async imageId(image) {
      assertThere();
      return localId(image);
    },
    resolveDigest: async (image) => tags.get(image) ?? digestOf(image),
    pull: async () => undefined,
  } satisfies Engine;

  function existing(id: string): Container {
    assertThere();
    const container = containers.get(id);
    if (container === undefined) throw new DeployerError("docker", `No such container: ${id}`);
    return container;
  }

  function assertThere(): void {
    if (!dockerIsThere) throw new DeployerError("docker", "Docker cannot be reached");
  }

  const compose = {
    project: async (): Promise<Project> => ({ name: "shop", services: new Map(file) }),
    files: async () => [],
    async record(texts) {
      const content = withTexts(file, texts);
      const name = `recorded ${Bun.hash(JSON.stringify([...content])).toString(36)}`;
      recordings.set(name, content);
      return name;
    },
    forget: async () => undefined,
    labelHash: async (recorded, name) => hashOf(serviceIn(resolved({ recorded }), name)),
    createBeside: async (source, name, total, others) => {
      const counts = await others();
      await act(`create ${name} ${total}`, () => {
        assertThere();
        const project = resolved(source);
        const from = serviceIn(project, name);
        settleDependencies(project, from, counts);
        if (from.containerName !== undefined && all(name).length > 0)
          throw new DeployerError("rollout", `the name ${from.containerName} is taken`);
        while (all(name).length < total) create(from);
      });
    },
    recreate: async (source, name, prepare) => {
      const { withDependencies } = await prepare();
      await act(`recreate ${name}${withDependencies ? "" : " alone"}`, () => {
        assertThere();
        const project = resolved(source);
        const from = serviceIn(project, name);
        if (withDependencies) settleDependencies(project, from);
        const old = all(name);
        const volumes = old.flatMap((container) => container.anonymousVolumes);
        for (const container of old) containers.delete(container.id);
        for (let n = 0; n < from.replicas; n += 1) create(from, volumes);
      });
    },
    writePins: (texts) =>
      act(
        `pins ${[...texts].map(([name, text]) => `${name}=${text.split("@")[0]}`).join(" ")}`.trim(),
        () => undefined,
      ),
  } satisfies Compose;

  const registry = {
    async resolve(image, signal) {
      const text = textOf(image);
      await act(`resolve ${text}`, () => signal.throwIfAborted());
      return tags.get(text) ?? digestOf(text);
    },
    pull: (image, tagOrDigest, signal) =>
      act(`pull ${image.name}:${image.tag ?? "latest"}`, () => {
        signal.throwIfAborted();
        const isDigest = tagOrDigest.startsWith("sha256:");
        const digest = isDigest ? tagOrDigest : (tags.get(textOf(image)) ?? digestOf(textOf(image)));
        images.set(`${image.name}@${digest}`, imageIdOf(digest));
        if (!isDigest) images.set(`${image.name}:${tagOrDigest}`, imageIdOf(digest));
      }),
  } satisfies Registry;

  return {
    engine,
    compose,
    registry,
    store: {
      ...store,
      saveBefore(id, before) {
        calls.push("remember");
        store.saveBefore(id, before);
      },
      commit(pin, origins) {
        calls.push(`commit ${pin.service}`);
        void hooks.get(`commit ${pin.service}`)?.();
        store.commit(pin, origins);
      },
    },
    journal: new LiveJournal(store, clock, log),
    clock,
    log,
    queue,
    inTurn: queue.inTurn,
    calls,
    file,
    tags,
    images,
    lives,
    add(name, fields = {}) {
      const from = serviceIn(file, name);
      const text = fields.imageText ?? from.image ?? from.builtImage;
      const [tag = "", digest] = text.split("@");
      images.set(
        digest === undefined ? text : `${tag.split(":")[0]}@${digest}`,
        imageIdOf(digest ?? digestOf(text)),
      );
      images.set(`${tag.split(":")[0]}@${digest ?? digestOf(text)}`, imageIdOf(digest ?? digestOf(text)));
      const container = create({ ...from, image: text });
      run(container);
      return Object.assign(container, fields);
    },
    ps: () =>
      [...containers.values()]
        .map(seen)
        .map(({ id, state, imageText }) => `${id} ${state} ${imageText.split("@")[0]}`),
    stopByHand: (id) => end(existing(id), 143),
    before: (call, hook) => void hooks.set(call, hook),
    fail: (call, message = "Docker says no") =>
      void hooks.set(call, () => {
        throw new DeployerError("docker", message);
      }),
    async killedAt(call, run) {
      const killed = Promise.withResolvers<void>();
      hooks.set(call, () => {
        killed.resolve();
        return new Promise(() => undefined);
      });
      void run();
      await killed.promise;
      hooks.delete(call);
      calls.length = 0;
    },
    dockerStops() {
      dockerIsThere = false;
      for (const container of containers.values())
        if (seen(container).state === "running") end(container, 143);
      gone.resolve();
      gone = Promise.withResolvers();
    },
    dockerStarts() {
      dockerIsThere = true;
      starts += 1;
      for (const container of containers.values()) if (container.restartPolicy === "always") run(container);
    },
  };
}

/** A deployment that has begun. */
export function running(name: string, fields: Partial<Deployment> = {}): Deployment {
  return {
    id: "d1",
    service: name,
    image: undefined,
    force: false,
    issuer: "github-actions",
    status: "running",
    reason: "",
    code: undefined,
    changed: undefined,
    digest: undefined,
    supersededBy: undefined,
    createdAt: START,
    startedAt: START,
    endedAt: undefined,
    ...fields,
  };
}

/** A signal that nobody aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

function withTexts(services: Map<string, Service>, texts: ImageTexts): Map<string, Service> {
  return new Map(
    [...services].map(([name, each]) => [name, { ...each, image: texts.get(name) ?? each.image }]),
  );
}

/** What Compose hashes: the image text is part of it. */
function hashOf({ configHash, image, builtImage }: Service): string {
  return `${configHash}, ${image ?? builtImage}`;
}

function imageIdOf(digest: string): string {
  return `id of ${digest}`;
}

function textOf(image: ImageReference): string {
  return `${image.name}:${image.tag ?? "latest"}`;
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
