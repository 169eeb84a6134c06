import { DeployerError } from "../../src/core/errors.ts";
import type { EdgeSettings } from "../../src/core/edge-settings.ts";
import { LiveJournal } from "../../src/core/journal.ts";
import type { Service } from "../../src/core/compose.ts";
import type { Container } from "../../src/core/engine.ts";
import type { Ports } from "../../src/core/ports.ts";
import { Queue } from "../../src/core/queue.ts";
import type { Store } from "../../src/core/store.ts";
import { type FakeClock, START } from "./clock.ts";
import { fakeCompose, serviceIn } from "./compose.ts";
import { fakeEdge } from "./edge.ts";
import { type FakeDisk, fakeDisk, fakeEngine, fakeProbe, fakeRegistry } from "./engine.ts";
import { FakeHost, type Hook } from "./host.ts";
import { digestOf, imageIdOf } from "./images.ts";
import type { Life } from "./life.ts";
import { type FakeLog, fakeLog } from "./log.ts";
import { mortal } from "./mortal.ts";
import { fakeStore } from "./store.ts";

/** Everything a core function works with, in memory. Only what changes something is in `calls`. */
export type World = Ports & {
  clock: FakeClock;
  disk: FakeDisk;
  log: FakeLog;
  queue: Queue;
  calls: string[];
  /** The compose file: change it as the operator would. */
  file: Map<string, Service>;
  /** By the names that `compose.record` gave. */
  recordings: Map<string, Map<string, Service>>;
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
  /** Those of running containers that peers find by this name. */
  reachable(alias: string): string[];
  /** `docker stop`, by a person: at once, or with so many milliseconds to go on. */
  stopByHand(id: string, graceMs?: number): void;
  /** As Compose takes one away: stopped, then removed. */
  takeAway(id: string, graceMs?: number): void;
  /** `docker compose down`. */
  takeDown(): void;
  /**
   * Something happens just before a call takes effect, as `calls` names it, or `exec ID` and `probe ID`; what it throws,
   * the call throws.
   */
  before(call: string, hook: Hook): void;
  /** The call fails with a `docker` error, always. */
  fail(call: string, message?: string): void;
  /** Runs something up to this call, which is never answered: what a killed daemon leaves behind. */
  killedAt(call: string, run: (ports: Ports) => Promise<unknown>): Promise<void>;
  /** Docker stops, and its containers with it; or it is back, and has started what its policies say. */
  dockerStops(): void;
  dockerStarts(): void;
};

export function fakeWorld(services: Service[], edge?: EdgeSettings): World {
  const host = new FakeHost(services, edge);
  const log = fakeLog();
  const queue = new Queue();
  const store = fakeStore();
  const { clock, calls, hooks, file, recordings, images, containers } = host;
  store.saveProjectName("shop");

  const ports: Ports & Pick<World, "clock" | "disk" | "log"> = {
    engine: fakeEngine(host),
    probe: fakeProbe(host),
    disk: fakeDisk(),
    compose: fakeCompose(host),
    registry: fakeRegistry(host),
    edge: fakeEdge(host),
    store: withCalls(store, host),
    journal: new LiveJournal(store, clock, log),
    clock,
    log,
    inTurn: queue.inTurn,
  };

  function tellToStop(id: string, graceMs: number | undefined, end: (container: Container) => void): void {
    const container = host.existing(id);
    host.told.add(id);
    if (graceMs === undefined) end(container);
    else clock.at(clock.now() - START + graceMs, () => end(container));
  }

  return {
    ...ports,
    queue,
    calls,
    file,
    recordings,
    tags: images.tags,
    images: images.local,
    lives: images.lives,
    add(name, fields = {}) {
      const from = serviceIn(file, name);
      const text = fields.imageText ?? from.image ?? from.builtImage;
      const [tag = "", digest = digestOf(text)] = text.split("@");
      if (!text.includes("@")) images.local.set(text, imageIdOf(digest));
      images.local.set(`${tag.split(":")[0]}@${digest}`, imageIdOf(digest));
      const container = host.create({ ...from, image: text });
      host.run(container);
      return Object.assign(container, fields);
    },
    ps: () =>
      [...containers.values()]
        .map((container) => host.seen(container))
        .map(({ id, state, imageText }) => `${id} ${state} ${imageText.split("@")[0]}`),
    reachable: (alias) =>
      [...containers.values()]
        .filter((container) => host.seen(container).state === "running")
        .filter(({ networks }) => networks.some(({ aliases }) => aliases.includes(alias)))
        .map(({ id }) => id),
    stopByHand: (id, graceMs) => tellToStop(id, graceMs, (container) => host.end(container, 143)),
    takeAway: (id, graceMs) => tellToStop(id, graceMs, () => void containers.delete(id)),
    takeDown() {
      containers.clear();
      host.hasNetwork = false;
    },
    before: (call, hook) => void hooks.set(call, hook),
    fail: (call, message = "Docker says no") =>
      void hooks.set(call, () => {
        throw new DeployerError("docker", message);
      }),
    async killedAt(call, run) {
      const daemon = mortal(ports);
      const killed = Promise.withResolvers<void>();
      hooks.set(call, () => {
        daemon.kill();
        killed.resolve();
        throw new Error("killed");
      });
      run(daemon.ports).catch(() => undefined);
      await killed.promise;
      hooks.delete(call);
      calls.length = 0;
    },
    dockerStops: () => host.stop(),
    dockerStarts: () => host.start(),
  };
}

/** A store whose decisive writes are calls too: `progress switching`, `commit web worker`. */
function withCalls(store: Store, { calls, hooks }: FakeHost): Store {
  const say = (call: string): void => {
    calls.push(call);
    void hooks.get(call)?.();
  };
  return {
    ...store,
    saveProgress(id, progress) {
      say(`progress ${progress.stage}`);
      store.saveProgress(id, progress);
    },
    commit(commits) {
      say(`commit ${commits.map(({ pin }) => pin.service).join(" ")}`);
      store.commit(commits);
    },
  };
}
