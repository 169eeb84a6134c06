import { DeployerError } from "./errors.ts";
import type { Project, Service } from "./compose.ts";
import type { Strategy } from "./settings.ts";

/** What there is at the time of a deployment. */
type Now = {
  /** The image to be rolled out declares volumes. */
  hasImageVolumes: boolean;
  /** A container of the service runs. */
  runs: boolean;
};

/**
 * How a service gets its new version. `rolling` is for those who ask for it: two schedulers side by side are worse than a gap.
 * @returns it with the reason, for people
 * Errors: `not_deployable` for `rolling` where two containers cannot run side by side, with everything that is in the way.
 */
export function chooseStrategy(
  service: Service,
  project: Project,
  now: Now,
): { strategy: Strategy; reason: string } {
  const { strategy } = service.settings;
  if (strategy === "auto") return { strategy: "recreate", reason: "the default" };
  const asSet = { strategy, reason: `x-deployer.strategy is ${strategy}` };
  if (strategy === "recreate") return asSet;

  const obstacles = [
    ...service.rollingObstacles,
    ...imageVolumes(service, now),
    ...sharers(service, project),
  ];
  if (obstacles.length > 0) throw new DeployerError("not_deployable", rollingRefused(service, obstacles));
  return now.runs ? asSet : { strategy: "recreate", reason: "nothing runs that would have to go on serving" };
}

/** Why `x-deployer.strategy: rolling` is refused, for people. */
export function rollingRefused({ name }: Service, obstacles: readonly string[]): string {
  return `service "${name}": x-deployer.strategy: rolling is not possible: ${obstacles.join("; ")}`;
}

function imageVolumes({ settings }: Service, { hasImageVolumes }: Now): string[] {
  if (!hasImageVolumes || settings.sharedVolumes) return [];
  return ["its image declares a volume (x-deployer.shared_volumes: true allows it)"];
}

/** They hold on to one container, and would lose it. */
export function sharers(service: Service, { services }: Project): string[] {
  return [...services.values()]
    .filter(({ sharesWith }) => sharesWith.includes(service.name))
    .map(({ name }) => `"${name}" lives in its namespaces or on its volumes`);
}
