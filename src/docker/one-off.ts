import { DeployerError } from "../core/errors.ts";
import { jsonForYaml } from "./exact-json.ts";
import type { Resolved } from "./resolved.ts";

/** Of one container of the service: a second one cannot have them. */
const OWN_ADDRESSES = ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"];
/** `run` has no flag against building a missing image, and older ones none against pulling. Dependencies are left alone. */
const LEFT_OUT = ["build", "depends_on", "mac_address", "networks"];

/**
 * The same project, but `docker compose run` of this service neither pulls nor builds, and takes no address that one of its
 * containers has. All else is kept: volumes, secrets, networks, environment.
 *
 * Errors: `rollout`, when there is no such service.
 */
export function oneOffProject(resolved: Resolved, service: string): string {
  const fields = resolved.services[service];
  if (fields === undefined)
    throw new DeployerError("rollout", `the recorded configuration has no service "${service}"`);
  const networks = Object.entries(fields.networks ?? {}).map(([name, endpoint]) => [
    name,
    endpoint && without(OWN_ADDRESSES, endpoint),
  ]);
  const adapted = {
    ...without(LEFT_OUT, fields),
    // With the mode of its network it may have none.
    ...(networks.length === 0 ? {} : { networks: Object.fromEntries(networks) }),
    pull_policy: "never",
  };
  return jsonForYaml({ ...resolved, services: { ...resolved.services, [service]: adapted } });
}

function without(keys: readonly string[], fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
}
