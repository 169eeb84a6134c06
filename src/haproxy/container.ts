import { join } from "node:path";

import type { Compose } from "../core/compose.ts";
import type { Engine, Registry } from "../core/engine.ts";
import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { definitionOf, generationFile, hashOf, type Owner, SERVICE } from "./definition.ts";
import { eventually } from "./eventually.ts";
import { countFor, type Generation, generationsOf, proxyProject } from "./generations.ts";
import { chooseImage, type EdgeImage } from "./image.ts";
import type { EdgeImages } from "./images.ts";
import type { EdgePort, ProxySpec, RunningProxy } from "./proxy.ts";
import type { RunFolders } from "./run-folders.ts";
import { complaintIn } from "./said.ts";

/** From its start to its answer, certificates loaded. */
const READY_DEADLINE_MS = 30_000;
const POLL_MS = 50;
/** On this it takes no new connection, and ends with its last one. */
const SOFT_END = "SIGUSR1";
/** Signals are lost on one that has just begun to start. */
const SIGNAL_DEADLINE_MS = 5_000;
/** For what an earlier one has begun: as long as a WebSocket may be silent (`timeout tunnel`). */
const LAST_CONNECTION_MS = 3_600_000;
/** The same where there is to be none: nobody who waits for its end waits for an idle connection. */
const LAST_CONNECTION_OF_ALL_MS = 5_000;
const LINES = 50;

export type ContainerOptions = {
  engine: Engine;
  compose: Pick<Compose, "createOwn">;
  registry: Pick<Registry, "resolve">;
  images: Pick<EdgeImages, "bring">;
  clock: Clock;
  log: Log;
  /** Of this program alone: generated compose files. */
  folder: string;
  runFolders: RunFolders;
  owner: Owner;
  /** Whether a proxy answers on the sockets in this folder. */
  answers(runDir: string): Promise<boolean>;
  assertFree(ports: readonly EdgePort[]): Promise<void>;
  /** An earlier proxy is gone. */
  onGone(project: string): void;
};

export type ProxyContainer = {
  /** As `Proxy.ensure`, without the network. */
  ensure(spec: ProxySpec): Promise<RunningProxy>;
  /** As `Proxy.rejoin`, without the network. */
  rejoin(spec: ProxySpec): Promise<RunningProxy>;
  /** The image that a specification means: the one that runs, when nothing else is asked for. */
  image(spec: ProxySpec): Promise<EdgeImage>;
  remove(project: string): Promise<void>;
};

/**
 * The container of the proxy, one generation after the other. The newest that answers is the proxy: whatever a kill or a boot
 * leaves beside it goes. All of them listen on the same ports, so two must never stay.
 */
export function createProxyContainer(options: ContainerOptions): ProxyContainer {
  const { engine, compose, registry, clock, log, runFolders, owner } = options;
  /** Those on their way out, by the id of their container. */
  const leaving = new Map<string, { number: number; end: Promise<void> }>();

  async function generations(project: string): Promise<Generation[]> {
    return (await generationsOf(engine, project)).filter(({ container }) => !leaving.has(container.id));
  }

  async function image(spec: ProxySpec): Promise<EdgeImage> {
    const known = (await generations(spec.project)).map((each) => each.image);
    return await chooseImage(registry, spec.image, known);
  }

  async function ensure(spec: ProxySpec): Promise<RunningProxy> {
    const found = await generations(spec.project);
    const wanted = await chooseImage(
      registry,
      spec.image,
      found.map((each) => each.image),
    );
    const definition = definitionOf(spec, wanted, runFolders.root, owner);
    const [newest] = found;
    const runs = found.some((each) => each.isRunning);
    if (!runs) await options.assertFree(spec.ports);
    if (newest?.definition === hashOf(definition)) {
      await bringUp(newest, found.slice(1));
      return settle(newest, found.slice(1), spec);
    }
    await options.images.bring(wanted);
    const made = await create(spec.project, definition, found);
    await bringUp(made, found);
    log.info("the edge's proxy was started", { image: wanted.pinned, generation: made.number });
    return settle(made, found, spec);
  }

  async function rejoin(spec: ProxySpec): Promise<RunningProxy> {
    const [newest, ...others] = await generations(spec.project);
    if (newest === undefined) return await ensure(spec);
    if (![newest, ...others].some((each) => each.isRunning)) await options.assertFree(spec.ports);
    await bringUp(newest, others);
    return settle(newest, others, spec);
  }

  async function create(
    project: string,
    definition: ReturnType<typeof definitionOf>,
    found: readonly Generation[],
  ): Promise<Generation> {
    const everyone = await generationsOf(engine, project);
    const number = runFolders.unused(everyone.map((each) => each.number));
    const earlier = found.find((each) => each.isRunning)?.number;
    const file = join(options.folder, "proxy.json");
    runFolders.make(number);
    writeFileAtomically(file, generationFile(definition, owner, number, earlier));
    const own = { project: proxyProject(project), file };
    await compose.createOwn(own, SERVICE, (await countFor(engine, project)) + 1);
    const [made, ...more] = (await generations(project)).filter((each) => each.number === number);
    // One that went meanwhile made Compose create one more.
    for (const { container } of more) await engine.remove(container.id, { volumes: true });
    if (made !== undefined) return made;
    throw new DeployerError("edge", "Compose did not create the container of the edge's proxy");
  }

  /** Starts it and waits for it. One that does not come goes, if others are there to serve on or it is new. */
  async function bringUp(proxy: Generation, others: readonly Generation[]): Promise<void> {
    const { container, number } = proxy;
    try {
      runFolders.make(number);
      await engine.start(container.id);
      await untilAnswers(proxy);
    } catch (error) {
      const isNew = container.startedAt === "";
      if (isNew || others.some((each) => each.isRunning)) {
        await engine.stop(container.id);
        await engine.remove(container.id, { volumes: true });
      }
      throw new DeployerError("edge", `the edge's proxy does not start: ${publicMessage(error)}`, {
        cause: error,
      });
    }
  }

  async function untilAnswers({ number, container: { id, restarts } }: Generation): Promise<void> {
    const deadline = clock.now() + READY_DEADLINE_MS;
    while (!(await options.answers(runFolders.path(number)))) {
      const now = await engine.container(id);
      const hasFailed = now === undefined || now.state === "exited" || now.restarts > restarts;
      if (hasFailed || clock.now() >= deadline)
        throw new DeployerError("edge", complaintIn(await engine.logs(id, LINES)));
      await clock.sleep(POLL_MS);
    }
  }

  function settle(proxy: Generation, others: readonly Generation[], { project }: ProxySpec): RunningProxy {
    for (const each of others) leave(each, project, LAST_CONNECTION_MS);
    const earlier = [...leaving.values()].map(({ number }) => runFolders.path(number));
    return { runDir: runFolders.path(proxy.number), earlier };
  }

  /** Without anybody who waits for it. */
  function leave({ container, number, isRunning }: Generation, project: string, withinMs: number): void {
    const end = async (): Promise<void> => {
      try {
        if (isRunning) {
          await eventually(SIGNAL_DEADLINE_MS, clock, () => options.answers(runFolders.path(number)));
          await engine.endBySignal(container.id, SOFT_END);
          await eventually(withinMs, clock, () => hasEnded(container.id));
        }
        await engine.stop(container.id);
        await engine.remove(container.id, { volumes: true });
        runFolders.remove(number);
        log.info("an earlier proxy of the edge has ended", { container: container.name });
        options.onGone(project);
      } catch (error) {
        // The next look finds it again.
        log.warn("an earlier proxy of the edge is still there", {
          container: container.name,
          reason: publicMessage(error),
        });
      } finally {
        leaving.delete(container.id);
      }
    };
    leaving.set(container.id, { number, end: end() });
  }

  async function hasEnded(id: string): Promise<boolean> {
    return (await engine.container(id))?.state !== "running";
  }

  async function remove(project: string): Promise<void> {
    for (const each of await generations(project)) leave(each, project, LAST_CONNECTION_OF_ALL_MS);
    await Promise.all([...leaving.values()].map(({ end }) => end));
    const left = await generationsOf(engine, project);
    if (left.length > 0) throw new DeployerError("edge", "the edge's proxy could not be removed");
  }

  return { ensure, rejoin, image, remove };
}
