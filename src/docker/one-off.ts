import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { jsonForYaml, parseExactJson } from "./exact-json.ts";

/** Of one container of the service: a second one cannot have them. */
const OWN_ADDRESSES = ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"];
/** `run` has no flag against building a missing image, and older ones none against pulling. Dependencies are left alone. */
const LEFT_OUT = ["build", "depends_on", "mac_address"];

const Networks = z.record(z.string(), z.record(z.string(), z.unknown()).nullable());
const Service = z.looseObject({ networks: Networks.optional() });
const Recorded = z.looseObject({ services: z.record(z.string(), Service) });

/**
 * A recorded project in which `docker compose run` of a service neither pulls nor builds, and takes no address that one of
 * its containers has. All else is kept: volumes, secrets, networks, environment.
 *
 * Errors: `rollout`, when there is no such service.
 */
export function oneOffProject(recorded: string, service: string): string {
  const project = Recorded.parse(parseExactJson(recorded));
  const fields = project.services[service];
  if (fields === undefined)
    throw new DeployerError("rollout", `the recorded configuration has no service "${service}"`);
  const { networks, ...rest } = without(LEFT_OUT, fields);
  const adapted = {
    ...rest,
    ...(networks === undefined ? {} : { networks: withoutAddresses(Networks.parse(networks)) }),
    pull_policy: "never",
  };
  return jsonForYaml({ ...project, services: { ...project.services, [service]: adapted } });
}

function withoutAddresses(networks: z.infer<typeof Networks>): z.infer<typeof Networks> {
  return Object.fromEntries(
    Object.entries(networks).map(([name, settings]) => [name, settings && without(OWN_ADDRESSES, settings)]),
  );
}

function without(keys: readonly string[], fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !keys.includes(key)));
}
