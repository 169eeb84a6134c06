import { DeployerError } from "../../src/core/errors.ts";
import type { Engine, Network } from "../../src/core/engine.ts";
import type { FakeHost } from "./host.ts";

/** Networks somebody made, beside the one that Compose makes; the pool has 10.9.0.0/26, 10.9.1.0/26, … */
export function fakeNetworks(
  host: FakeHost,
): Pick<Engine, "network" | "createNetwork" | "removeNetwork" | "members" | "publishers"> {
  const networks = new Map<string, Network>();
  let made = 0;
  return {
    async network(name) {
      host.assertThere();
      if (name === "shop_default" && host.hasNetwork)
        return { id: "id of shop_default", name, labels: {}, subnet: "10.0.0.0/24" };
      return [...networks.values()].find((network) => network.name === name);
    },
    async createNetwork({ name, labels, ipv4 }) {
      const id = `id of ${name} ${made}`;
      await host.act(`create network ${name}${ipv4 === undefined ? "" : ` of ${ipv4.subnet}`}`, () => {
        host.assertThere();
        if ([...networks.values()].some((network) => network.name === name))
          throw new DeployerError("docker", `network with name ${name} already exists`);
        networks.set(id, { id, name, labels, subnet: ipv4?.subnet ?? `10.9.${made}.0/26` });
        made += 1;
      });
      return id;
    },
    removeNetwork: (id) =>
      host.act(`remove network ${networks.get(id)?.name ?? id}`, () => void networks.delete(id)),
    async members(network) {
      host.assertThere();
      return [...host.containers.values()].flatMap((container) =>
        container.networks
          .filter((each) => each.network === network)
          .map(({ address, settings }) => ({
            container: container.id,
            address: staticAddress(settings["IPAMConfig"]) ?? address,
          })),
      );
    },
    /** A label `publishes` is the port. */
    async publishers(port) {
      host.assertThere();
      return [...host.containers.values()]
        .filter((each) => host.seen(each).state === "running" && each.labels["publishes"] === String(port))
        .map(({ id, service }) => ({ container: id, project: "shop", service }));
    },
  };
}

function staticAddress(config: unknown): string | undefined {
  return typeof config === "object" && config !== null && "IPv4Address" in config
    ? String(config.IPv4Address)
    : undefined;
}
