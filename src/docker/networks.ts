import { z } from "zod";

import type { Attachment, Container, Engine } from "../core/engine.ts";
import { parseAnswer, refused } from "./answer.ts";
import type { Transport } from "./transport.ts";

const INSPECT_DEADLINE_MS = 10_000;
/** Of a running container it waits for the network driver. */
const ATTACH_DEADLINE_MS = 30_000;

const network = z.object({ Id: z.string().min(1) });

/**
 * Containers and their networks. An alias cannot change on a live endpoint: take the container off, attach it anew.
 * What Docker refuses is judged by how the container is attached then: its words and statuses differ from version to version.
 */
export function createNetworks(
  transport: Transport,
  container: (id: string) => Promise<Container | undefined>,
): Pick<Engine, "connect" | "disconnect"> {
  async function attachment(networkId: string, id: string): Promise<Attachment | undefined> {
    return (await container(id))?.networks.find((each) => each.networkId === networkId);
  }

  return {
    async disconnect(networkId, id) {
      const answer = await transport.send({
        method: "POST",
        path: `${networkPath(networkId)}/disconnect`,
        body: { Container: id, Force: false },
        deadlineMs: ATTACH_DEADLINE_MS,
      });
      if (answer.status === 200 || (await attachment(networkId, id)) === undefined) return;
      throw refused(answer, `take container ${id} off network ${networkId}`);
    },

    async connect({ network, networkId, aliases, settings }, id) {
      const answer = await transport.send({
        method: "POST",
        path: `${networkPath(networkId)}/connect`,
        body: { Container: id, EndpointConfig: { ...settings, Aliases: aliases } },
        deadlineMs: ATTACH_DEADLINE_MS,
      });
      if (answer.status === 200) return;
      const existing = await attachment(networkId, id);
      // Attached under other names is not what was asked for: peers would go on to reach it, or not.
      if (existing !== undefined && areSame(existing.aliases, aliases)) return;
      throw refused(answer, `attach container ${id} to network ${network}`);
    },
  };
}

/** Id of a network by its name or id; `""` when it is gone. */
export async function networkId(transport: Transport, name: string): Promise<string> {
  const answer = await transport.send({
    method: "GET",
    path: networkPath(name),
    deadlineMs: INSPECT_DEADLINE_MS,
  });
  return answer.status === 404 ? "" : parseAnswer(answer, network, `inspect network ${name}`).Id;
}

function networkPath(name: string): string {
  return `/networks/${encodeURIComponent(name)}`;
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return new Set(some).symmetricDifference(new Set(others)).size === 0;
}
