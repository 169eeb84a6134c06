import { z } from "zod";

import type { Attachment, Container, Engine, Network, NewNetwork } from "../core/engine.ts";
import { parseAnswer, refused } from "./answer.ts";
import type { Transport } from "./transport.ts";

const INSPECT_DEADLINE_MS = 10_000;
/** Of a running container it waits for the network driver. */
const ATTACH_DEADLINE_MS = 30_000;

/** A bridge, its rules for the firewall. */
const CREATE_DEADLINE_MS = 30_000;
const ICC = "com.docker.network.bridge.enable_icc";

const created = z.object({ Id: z.string().min(1) });
const network = z.object({
  Id: z.string().min(1),
  Name: z.string().default(""),
  Labels: z.record(z.string(), z.string()).nullish(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().default("") })).nullish() }).nullish(),
});

/**
 * Containers and their networks. An alias cannot change on a live endpoint: take the container off, attach it anew.
 * What Docker refuses is judged by how the container is attached then: its words and statuses differ from version to version.
 */
export function createNetworks(
  transport: Transport,
  container: (id: string) => Promise<Container | undefined>,
): Pick<Engine, "connect" | "disconnect" | "network" | "createNetwork" | "removeNetwork"> {
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

    network: (name) => inspectNetwork(transport, name),

    async createNetwork(wanted) {
      const answer = await transport.send({
        method: "POST",
        path: "/networks/create",
        body: toBody(wanted),
        deadlineMs: CREATE_DEADLINE_MS,
      });
      const status = answer.status === 201 ? 200 : answer.status;
      return parseAnswer({ ...answer, status }, created, `create network ${wanted.name}`).Id;
    },

    async removeNetwork(id) {
      const answer = await transport.send({
        method: "DELETE",
        path: networkPath(id),
        deadlineMs: CREATE_DEADLINE_MS,
      });
      if (answer.status === 204 || answer.status === 404) return;
      throw refused(answer, `remove network ${id}`);
    },
  };
}

/** Id of a network by its name or id; `""` when it is gone. */
export async function networkId(transport: Transport, name: string): Promise<string> {
  return (await inspectNetwork(transport, name))?.id ?? "";
}

async function inspectNetwork(transport: Transport, name: string): Promise<Network | undefined> {
  const answer = await transport.send({
    method: "GET",
    path: networkPath(name),
    deadlineMs: INSPECT_DEADLINE_MS,
  });
  if (answer.status === 404) return undefined;
  const { Id, Name, Labels, IPAM } = parseAnswer(answer, network, `inspect network ${name}`);
  const subnets = (IPAM?.Config ?? []).map((config) => config.Subnet);
  return {
    id: Id,
    name: Name,
    subnet: subnets.find((subnet) => subnet.includes(".")) ?? "",
    labels: Labels ?? {},
  };
}

function toBody({ name, labels, internal, openInside, ipv4 }: NewNetwork): unknown {
  return {
    Name: name,
    // Engines before 25 would make a second one of the same name.
    CheckDuplicate: true,
    Driver: "bridge",
    Internal: internal,
    Labels: labels,
    Options: { [ICC]: String(openInside) },
    ...(ipv4 === undefined
      ? {}
      : { IPAM: { Config: [{ Subnet: ipv4.subnet, Gateway: ipv4.gateway, IPRange: ipv4.dynamicRange }] } }),
  };
}

function networkPath(name: string): string {
  return `/networks/${encodeURIComponent(name)}`;
}

function areSame(some: readonly string[], others: readonly string[]): boolean {
  return new Set(some).symmetricDifference(new Set(others)).size === 0;
}
