import type { Direction, Edge, Frontage, Held, Server } from "../core/edge.ts";
import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { apply, type Parts, prepare, rejoin, runningIdentity, writeConfig } from "./apply.ts";
import { identityOf } from "./blueprint.ts";
import { createCertificateFolder } from "./certificate-folder.ts";
import { fingerprint } from "./certificates.ts";
import { type Cli, createCli, type Worker } from "./cli.ts";
import type { Surroundings } from "./config.ts";
import { eventually } from "./eventually.ts";
import { beginHold, endHold } from "./hold.ts";
import { judge } from "./judge.ts";
import { createPlacement, NOWHERE } from "./placement.ts";
import type { Proxy } from "./proxy.ts";
import { follow, hasPart, reach, stat, sweep, switchTo } from "./servers.ts";
import { tellReplaced } from "./replaced.ts";
import { statesOf } from "./server-states.ts";
import { sessionsOn } from "./sessions.ts";
import { type EdgeState, openEdgeStore, type PlacedDirection } from "./state.ts";
import { createTurns, createTurnsByName } from "./turns.ts";

/** For a proxy that starts anew in the middle of a switch. */
const SWITCH_DEADLINE_MS = 10_000;
const NOBODY: Direction = { serving: [], standby: [] };
const NOTHING_HELD: Held = { held: 0, refused: 0 };

export type EdgeOptions = {
  /** Absolute, for the edge alone: state, configuration and certificates. */
  folder: string;
  proxy: Proxy;
  clock: Clock;
  log: Log;
  /** Where the daemon itself answers. */
  daemon: Surroundings["daemon"];
  /** Whom the proxy's admin socket is for: the daemon's user. */
  owner: Surroundings["owner"];
  /** This host has IPv6. */
  ipv6: boolean;
};

/** The edge by HAProxy 3.0 or newer. What it should be is in `folder` before anything is done about it. */
export function createEdge({ folder, proxy, clock, log, ...fixed }: EdgeOptions): Edge {
  const store = openEdgeStore(folder, log);
  const exclusive = createTurns();
  const applying = createTurns();
  const { placed, place } = createPlacement(store, proxy);
  const turnsOf = createTurnsByName();
  let seenCertificates: string | undefined;

  const cli = (): Cli => createCli(runDirOf(store.state()));
  const parts: Parts = {
    folder,
    proxy,
    store,
    clock,
    fixed,
    cli,
    exclusive,
    certificates: createCertificateFolder({ folder, clock, log }),
  };

  function isRouted(service: string): boolean {
    return (store.state().frontage?.routes.get(service)?.length ?? 0) > 0;
  }

  const toldAsWell = <T>(tell: (worker: Worker) => Promise<T>): Promise<T[]> =>
    tellReplaced(cli(), store.state().earlier.map(createCli), tell);

  async function turnTo(service: string, direction: PlacedDirection): Promise<void> {
    const { directions } = store.state();
    if (!isRouted(service)) return;
    const write = (changed: EdgeState["directions"]) => {
      store.change({ ...store.state(), directions: changed });
      writeConfig(parts);
    };
    write(new Map(directions).set(service, direction));
    try {
      await eventually(SWITCH_DEADLINE_MS, clock, async () => {
        await switchTo(service, direction, cli());
        await toldAsWell((worker) => follow(service, direction, worker));
        return true;
      });
    } catch (error) {
      write(directions);
      throw error;
    }
    // What was just taken off may have been given a request in this instant; what was taken off before that has not.
    await tidy(service, direction, directions.get(service) ?? NOWHERE);
  }

  /** Nothing depends on it: what stays goes another time. */
  async function tidy(service: string, ...keep: PlacedDirection[]): Promise<void> {
    await sweep(service, (server) => !hasPart(server, ...keep), cli()).catch(() => undefined);
  }

  async function bring(wanted: Frontage | undefined, running: ReadonlyMap<string, Direction>): Promise<void> {
    const certs = wanted?.settings.certs;
    const seen = certs === undefined ? undefined : fingerprint(certs);
    await apply(wanted, parts, async (service, project) => {
      const direction = place(service, running.get(service) ?? NOBODY, project);
      // A container that has gone meanwhile keeps nobody from his route.
      return await direction.catch(() => NOWHERE);
    });
    seenCertificates = seen;
  }

  return {
    isRouted,
    apply: (wanted, running = new Map()) => applying(() => bring(wanted, running)),
    reapply: () =>
      applying(async () => {
        const { frontage } = store.state();
        if (frontage !== undefined) await bring(frontage, new Map());
      }),
    // Not in turn with `apply`, which may be waiting for the end of a hold that only a deployment to be taken up ends.
    rejoin: () => rejoin(parts),
    frontage: () => store.state().frontage,
    judge: (wanted) => judge(wanted, parts),
    async prepare(wanted) {
      await applying(async () => void (await prepare(wanted, parts)));
    },
    certificatesChanged() {
      const certs = store.state().frontage?.settings.certs;
      return certs !== undefined && seenCertificates !== undefined && fingerprint(certs) !== seenCertificates;
    },
    direction(service) {
      const bare = ({ container, port }: Server): Server => ({ container, port });
      const { serving, standby } = placed(service);
      return { serving: serving.map(bare), standby: standby.map(bare) };
    },
    async direct(service, to, enough = "all") {
      await turnsOf(service)(async () => {
        if (!isRouted(service)) return;
        const direction = await place(service, to, store.state().frontage?.project ?? "");
        try {
          for (const missing of await reach(service, direction.serving, enough, { cli, clock }))
            log.warn("requests go to the other containers of a service", { reason: missing.message });
        } catch (error) {
          await tidy(service, placed(service));
          throw error;
        }
        await exclusive(() => turnTo(service, direction));
      });
    },
    async drained(service, containers, withinMs) {
      if (store.state().runDir === undefined) return 0;
      let sessions = 0;
      await eventually(withinMs, clock, async () => {
        const earlier = store.state().earlier.map(createCli);
        sessions = await sessionsOn(service, containers, { cli: cli(), earlier });
        return sessions === 0;
      });
      if (sessions === 0) await tidy(service, placed(service));
      return sessions;
    },
    async hold(service, limits) {
      if (!isRouted(service)) return;
      await exclusive(async () => {
        await beginHold(service, limits, cli());
        await toldAsWell((worker) => beginHold(service, limits, worker));
      });
    },
    async release(service) {
      if (!isRouted(service)) return NOTHING_HELD;
      const all = [
        await endHold(service, cli()),
        ...(await toldAsWell((worker) => endHold(service, worker))),
      ];
      return {
        held: all.reduce((sum, { held }) => sum + held, 0),
        refused: all.reduce((sum, { refused }) => sum + refused, 0),
      };
    },
    async measure(services) {
      const routed = services.filter(isRouted);
      if (routed.length === 0) return { stop: () => Promise.resolve(new Map()) };
      return await proxy.measure(() => runDirOf(store.state()), routed);
    },
    async problem() {
      const state = store.state();
      if (state.frontage === undefined) return undefined;
      try {
        const running = await runningIdentity(cli());
        if (running === identityOf(state, parts)) return undefined;
        return "the edge runs another configuration than it was given last";
      } catch (error) {
        return publicMessage(error);
      }
    },
    async servers(service) {
      if (!isRouted(service)) return [];
      return statesOf(await stat(service, cli()), placed(service));
    },
  };
}

function runDirOf({ runDir }: EdgeState): string {
  if (runDir === undefined) throw new DeployerError("edge", "the edge was never started");
  return runDir;
}
