import type { Ports } from "./ports.ts";
import type { Candidate } from "./store.ts";

/** In a network, what a peer resolves a service by. */

/**
 * Takes a container off its names in all its networks: it stays reachable by address, for the gate, and peers do not
 * find it. Docker would give it the names at its start, gated or not. Safe to repeat.
 */
export async function hideFromPeers(
  { id, networks }: Candidate,
  { engine }: Pick<Ports, "engine">,
): Promise<void> {
  for (const network of networks) {
    await engine.disconnect(network.networkId, id);
    await engine.connect({ ...network, aliases: [] }, id);
  }
}

/**
 * Gives it its names: the switch, for peers. They cannot change on a live endpoint, so its connections are cut and its
 * address may be another afterwards. One that has them already is left alone.
 */
export async function showToPeers(
  { id, networks }: Candidate,
  { engine }: Pick<Ports, "engine">,
): Promise<void> {
  const now = await engine.container(id);
  for (const network of networks) {
    const attached = now?.networks.find(({ networkId }) => networkId === network.networkId);
    if (network.aliases.every((alias) => attached?.aliases.includes(alias))) continue;
    await engine.disconnect(network.networkId, id);
    await engine.connect(network, id);
  }
}
