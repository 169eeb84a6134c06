import type { Attachment, Container, Engine, Network, NewNetwork } from "../core/engine.ts";
import { DeployerError, errorCode, publicMessage } from "../core/errors.ts";
import { LABELS } from "./definition.ts";
import { freeAddress, isOurs, parseSubnet, type Subnet } from "./subnet.ts";
import { createTurns } from "./turns.ts";

/** Somebody else may take the subnet between the moment we see that it is free and the moment we ask for it. */
const ATTEMPTS = 3;

/** The networks that the proxies of this program reach containers in. Errors: `edge`, `docker`. */
export type EdgeNetworks = {
  /** Makes the network of a project, or finds it. */
  ensure(project: string): Promise<void>;
  /**
   * The container's own address in the network, which it keeps as long as it exists; attaches it when it is not, running or
   * not, with the first address from the `next`th on that no container has. It is an error when the network is full, or the
   * container gone.
   */
  addressOf(
    project: string,
    container: string,
    next: number,
    inUse?: ReadonlySet<string>,
  ): Promise<{ address: string; next: number }>;
  /** Removes the network; containers that do not run are taken off it. Gone is success. */
  remove(project: string): Promise<void>;
};

type Docker = Pick<
  Engine,
  "network" | "createNetwork" | "removeNetwork" | "members" | "container" | "connect" | "disconnect"
>;

const RULES = { internal: true, openInside: false } as const;

/**
 * A network of one project's routed containers, in which each has an address of its own: Docker moves dynamic ones at every
 * restart, and a request would reach another service. The proxy is on the host and reaches them all; they do not reach each
 * other through it.
 */
export function createEdgeNetworks(engine: Docker): EdgeNetworks {
  // Two at once would see the same address free.
  const inTurn = createTurns();

  async function ensure(project: string): Promise<{ network: Network; subnet: Subnet }> {
    for (let attempt = 1; ; attempt += 1) {
      const network = await engine.network(nameOf(project));
      if (network !== undefined) return { network, subnet: subnetOf(network, project) };
      try {
        await create(project);
      } catch (error) {
        if (attempt === ATTEMPTS || errorCode(error) !== "docker") throw error;
      }
    }
  }

  /** Docker takes static addresses only in a subnet that somebody chose. Which one is free, only Docker knows. */
  async function create(project: string): Promise<void> {
    const labels = { [LABELS.project]: project };
    const free = await freeSubnet(project, labels);
    const subnet = parseSubnet(free);
    if (subnet === undefined)
      throw new DeployerError(
        "edge",
        `Docker's address pools give networks of ${free || "no IPv4 addresses"}: the edge needs a /29 or larger (default-address-pools in daemon.json)`,
      );
    const { text, gateway, strangers } = subnet;
    await engine.createNetwork({
      name: nameOf(project),
      labels,
      ...RULES,
      ipv4: { subnet: text, gateway, dynamicRange: strangers },
    });
  }

  async function freeSubnet(project: string, labels: NewNetwork["labels"]): Promise<string> {
    const probe = `${nameOf(project)}-probe`;
    const leftover = await engine.network(probe);
    if (leftover?.labels[LABELS.project] === project) await engine.removeNetwork(leftover.id);
    const id = await engine
      .createNetwork({ name: probe, labels, ...RULES, ipv4: undefined })
      .catch((error: unknown) => {
        throw new DeployerError("edge", `no network for the edge: ${publicMessage(error)}`, { cause: error });
      });
    try {
      return (await engine.network(probe))?.subnet ?? "";
    } finally {
      await engine.removeNetwork(id);
    }
  }

  async function addressOf(project: string, id: string, next: number, inUse: ReadonlySet<string>) {
    const { network, subnet } = await ensure(project);
    const { name } = network;
    const before = await existing(id);
    const place = before.networks.find((each) => each.network === name);
    const kept = place && staticAddress(place);
    const isInIt = place?.networkId === network.id || place?.networkId === "";
    if (kept !== undefined && isInIt && isOurs(subnet, kept)) return { address: kept, next };
    // Joined by somebody's hand, or in a network of this name that is gone.
    if (place !== undefined) await engine.disconnect(network.id, id);

    const members = (await engine.members(name)).map(({ address }) => address);
    const taken = inUse.union(new Set(members));
    const free = freeAddress(subnet, taken, next);
    if (free === undefined)
      throw new DeployerError(
        "edge",
        `network ${name} is full: all addresses of ${subnet.text} are taken; remove containers that are not needed (docker ps -a)`,
      );
    const settings = { IPAMConfig: { IPv4Address: free.address } };
    await engine.connect({ network: name, networkId: network.id, aliases: [], address: "", settings }, id);
    const after = (await existing(id)).networks.find((each) => each.network === name);
    if (after !== undefined && staticAddress(after) === free.address) return free;
    throw new DeployerError("edge", `Docker did not give ${before.name} the address ${free.address}`);
  }

  async function existing(id: string): Promise<Container> {
    const container = await engine.container(id);
    if (container !== undefined) return container;
    throw new DeployerError("edge", `container ${id} is gone`);
  }

  async function remove(project: string): Promise<void> {
    const network = await engine.network(nameOf(project));
    if (network?.labels[LABELS.project] !== project) return;
    // A container that Docker cannot attach at its next start would not start.
    for (const { container } of await engine.members(network.name))
      await engine.disconnect(network.id, container);
    await engine.removeNetwork(network.id);
  }

  return {
    ensure: (project) => inTurn(async () => void (await ensure(project))),
    addressOf: (project, container, next, inUse = new Set()) =>
      inTurn(() => addressOf(project, container, next, inUse)),
    remove: (project) => inTurn(() => remove(project)),
  };
}

function nameOf(project: string): string {
  return `${project}-edge`;
}

function subnetOf(network: Network, project: string): Subnet {
  const { name } = network;
  if (network.labels[LABELS.project] !== project) {
    throw new DeployerError(
      "edge",
      `there is a network ${name} already, which is not the edge's: remove it (docker network rm ${name})`,
    );
  }
  const subnet = parseSubnet(network.subnet);
  if (subnet !== undefined) return subnet;
  throw new DeployerError("edge", `network ${name} has no IPv4 subnet to take addresses from`);
}

function staticAddress({ settings }: Attachment): string | undefined {
  const config = settings["IPAMConfig"];
  if (typeof config !== "object" || config === null || !("IPv4Address" in config)) return undefined;
  return typeof config.IPv4Address === "string" && config.IPv4Address !== "" ? config.IPv4Address : undefined;
}
