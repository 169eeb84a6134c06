import type { Settings } from "../core/settings.ts";
import type { ResolvedService } from "./resolved-service.ts";

const MOST_PORTS_NAMED = 5;
const UNLESS_SHARED = "(x-deployer.shared_volumes: true allows it)";

/**
 * Why two containers of a service cannot run side by side, by what the compose file says of the service itself. Volumes
 * of its image, and the services that hang on it, are not among that.
 *
 * Ports that Docker picks, configs and secrets (always read-only) and tmpfs (each container has its own) are no obstacles.
 */
export function rollingObstacles(
  fields: ResolvedService,
  { sharedVolumes }: Pick<Settings, "sharedVolumes">,
): string[] {
  return [
    ...publishedPorts(fields),
    ...fixedNames(fields),
    ...otherNetworks(fields),
    ...(sharedVolumes ? [] : [...writableMounts(fields), ...volumesOfOthers(fields)]),
  ];
}

function publishedPorts({ ports }: ResolvedService): string[] {
  const published = [...new Set((ports ?? []).map(({ published = "" }) => String(published)))].filter(
    (port) => port !== "" && port !== "0",
  );
  if (published.length === 0) return [];
  const named = published.slice(0, MOST_PORTS_NAMED).join(", ");
  const more = published.length - MOST_PORTS_NAMED;
  return [
    `publishes host port${published.length > 1 ? "s" : ""} ${named}${more > 0 ? ` and ${more} more` : ""}`,
  ];
}

function fixedNames({ container_name, mac_address, networks }: ResolvedService): string[] {
  const endpoints = Object.values(networks ?? {}).filter((endpoint) => endpoint !== null);
  const addresses = endpoints.flatMap(({ ipv4_address, ipv6_address, link_local_ips }) => [
    ipv4_address,
    ipv6_address,
    ...(link_local_ips ?? []),
  ]);
  const macAddresses = new Set([mac_address, ...endpoints.map((endpoint) => endpoint.mac_address)]);
  return [
    ...(container_name ? [`has the fixed container_name ${container_name}`] : []),
    ...addresses.flatMap((address) => (address ? [`has the fixed address ${address}`] : [])),
    ...[...macAddresses].flatMap((address) => (address ? [`has the fixed MAC address ${address}`] : [])),
  ];
}

/** Where all listen on one set of ports, and a new container cannot be kept from its peers until it is well. */
function otherNetworks({ network_mode = "" }: ResolvedService): string[] {
  if (network_mode === "host") return ["uses the network of the host"];
  const [, other] = /^(?:service|container):(.*)$/.exec(network_mode) ?? [];
  return other === undefined ? [] : [`lives in the network of ${other}`];
}

function writableMounts({ volumes = [] }: ResolvedService): string[] {
  return volumes
    .filter(({ type, read_only }) => type !== "tmpfs" && read_only !== true)
    .map(({ type, source, target = "" }) => {
      if (source === undefined) return `has an anonymous volume at ${target} ${UNLESS_SHARED}`;
      return `mounts ${type === "bind" ? source : `${type} ${source}`} for writing ${UNLESS_SHARED}`;
    });
}

/** `data`, `data:ro`, `container:outside:rw`. */
function volumesOfOthers({ volumes_from = [] }: ResolvedService): string[] {
  return volumes_from
    .filter((from) => !from.endsWith(":ro"))
    .map((from) => from.replace(/^container:/, "").replace(/:rw$/, ""))
    .map((other) => `mounts the volumes of ${other} for writing ${UNLESS_SHARED}`);
}
