import { join } from "node:path";

import type { Compose } from "../core/compose.ts";
import type { Engine, Registry } from "../core/engine.ts";
import { DeployerError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { checkConfiguration } from "./check.ts";
import { createCli } from "./cli.ts";
import { createProxyContainer } from "./container.ts";
import type { Owner } from "./definition.ts";
import { generationsOf } from "./generations.ts";
import { createEdgeImages } from "./images.ts";
import { createEdgeNetworks } from "./network.ts";
import type { Proxy } from "./proxy.ts";
import { createRunFolders } from "./run-folders.ts";
import { assertFree } from "./taken-ports.ts";
import { measureTraffic } from "./traffic.ts";
import { makeFolder } from "./state.ts";
import { createTurns } from "./turns.ts";

export type ProxyOptions = {
  engine: Engine;
  compose: Pick<Compose, "createOwn">;
  registry: Registry;
  clock: Clock;
  log: Log;
  /** For what it writes itself: the proxy's compose file, and the folders of its sockets. Its path must be short: that of a socket ends at 107 characters. */
  folder: string;
  /** Whom the sockets are for: the daemon's own user. */
  owner: Owner;
};

/** The proxy in a container of its own, in a compose project of its own: it goes on without this program. */
export function createProxy(options: ProxyOptions): Proxy {
  const { engine, folder } = options;
  const networks = createEdgeNetworks(engine);
  const images = createEdgeImages(options);
  const free: Proxy["assertFree"] = (ports) => assertFree(ports, engine);
  const container = createProxyContainer({
    ...options,
    images,
    runFolders: createRunFolders(join(folder, "run")),
    assertFree: free,
    answers,
    onGone: (project) => void inTurn(() => removeImages(project)).catch(() => undefined),
  });
  const turns = createTurns();
  const inTurn = <T>(task: () => Promise<T>): Promise<T> => turns(() => asEdge(task));

  /** But those of the proxies that there are. */
  async function removeImages(project: string): Promise<void> {
    await images.removeAllBut((await generationsOf(engine, project)).map(({ image }) => image));
  }

  return {
    ensure: (spec) =>
      inTurn(async () => {
        makeFolder(folder);
        await networks.ensure(spec.project);
        const running = await container.ensure(spec);
        await removeImages(spec.project);
        return running;
      }),
    rejoin: (spec) =>
      inTurn(async () => {
        makeFolder(folder);
        await networks.ensure(spec.project);
        return await container.rejoin(spec);
      }),
    isThere: (project) => asEdge(async () => (await generationsOf(engine, project)).length > 0),
    assertFree: (ports) => asEdge(() => free(ports)),
    assertImage: (spec) => asEdge(async () => await images.assertToBeHad(await container.image(spec))),
    remove: (project) =>
      inTurn(async () => {
        await container.remove(project);
        await networks.remove(project);
        await removeImages(project);
      }),
    validate: (spec, file) =>
      inTurn(async () => {
        makeFolder(folder);
        return await checkConfiguration({ ...options, images }, spec, await container.image(spec), file);
      }),
    addressOf: (project, id, next, inUse) => asEdge(() => networks.addressOf(project, id, next, inUse)),
    measure: (runDir, services) => measureTraffic(options, runDir, services),
  };
}

/** On both of its sockets: the worker has loaded its configuration, and the master takes orders. */
async function answers(runDir: string): Promise<boolean> {
  try {
    const cli = createCli(runDir);
    await cli.ask("show info");
    return (await cli.askEvery("show info")).length > 0;
  } catch {
    return false;
  }
}

async function asEdge<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof DeployerError) || error.code === "edge") throw error;
    throw new DeployerError("edge", error.message, { cause: error });
  }
}
