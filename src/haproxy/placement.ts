import type { Direction, Server } from "../core/edge.ts";
import type { Proxy } from "./proxy.ts";
import type { EdgeStore, PlacedDirection, PlacedServer } from "./state.ts";
import { createTurns } from "./turns.ts";

export const NOWHERE: PlacedDirection = { serving: [], standby: [] };

/** Where the containers of services are in the network of the edge. */
export type Placement = {
  /** Where the requests of a service were last sent. */
  placed: (service: string) => PlacedDirection;
  /** Gives containers that have no address yet one of their own. Errors: `edge`, for one that is gone. */
  place: (service: string, to: Direction, project: string) => Promise<PlacedDirection>;
};

export function createPlacement(store: EdgeStore, proxy: Pick<Proxy, "addressOf">): Placement {
  const turns = createTurns();

  function placed(service: string): PlacedDirection {
    return store.state().directions.get(service) ?? NOWHERE;
  }

  async function addressOf({ container, port }: Server, project: string): Promise<PlacedServer> {
    return await turns(async () => {
      const { nextAddress, directions } = store.state();
      // The proxy may still know the address of a container that is gone.
      const inUse = [...directions.values()]
        .flatMap(({ serving, standby }) => serving.concat(standby))
        .filter((server) => server.container !== container)
        .map(({ address }) => address);
      const { address, next } = await proxy.addressOf(project, container, nextAddress, new Set(inUse));
      if (next !== nextAddress) store.change({ ...store.state(), nextAddress: next });
      return { container, port, address };
    });
  }

  return {
    placed,
    async place(service, to, project) {
      const { serving, standby } = placed(service);
      const known = [...serving, ...standby];
      const next: PlacedDirection = { serving: [], standby: [] };
      for (const server of to.serving) next.serving.push(await addressOf(server, project));
      for (const server of to.standby) {
        const before = known.find((one) => one.container === server.container && one.port === server.port);
        next.standby.push(before ?? (await addressOf(server, project)));
      }
      return next;
    },
  };
}
