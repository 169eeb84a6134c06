import { DeployerError } from "./errors.ts";
import type { Project, Service } from "./compose.ts";
import { nowhere, type Problem, sayProblem } from "./problem.ts";
import { refusedRoutes } from "./refused-routes.ts";
import type { Settings, Strategy } from "./settings.ts";

/** What there is at the time of a deployment. */
type Now = {
  /** The image to be rolled out declares volumes. */
  hasImageVolumes: boolean;
  /** A container of the service runs. */
  runs: boolean;
  /** Such a container has a port of the edge, which can come only when it has stopped. */
  bringsEdge: boolean;
};

/**
 * How a service gets its new version. `rolling` is for those who ask for it: two schedulers side by side are worse than a
 * gap; and for those who have a route, if nothing is in the way.
 * @param service as it shall be: that of the project, or of a configuration recorded earlier
 * @returns it with the reason, for people
 * Errors: `not_deployable` for routes that cannot be, and for `rolling` where two containers cannot run side by side, with
 * everything that is in the way.
 */
export function chooseStrategy(
  service: Service,
  project: Project,
  now: Now,
): { strategy: Strategy; reason: string } {
  const { name, settings } = service;
  const whereIs = project.services.get(name) === service ? project.whereIs : nowhere;
  const refuse = (problems: readonly Problem[]): void => {
    const message = problems.map((problem) => sayProblem(problem, whereIs)).join("\n");
    if (problems.length > 0) throw new DeployerError("not_deployable", message);
  };
  const services = new Map([...project.services, [name, service]]);
  refuse(refusedRoutes({ ...project, services }).filter((problem) => problem.service === name));

  const { strategy, routes } = settings;
  if (strategy === "recreate") return { strategy, reason: "x-deployer.strategy is recreate" };
  if (strategy === "auto" && routes.length === 0) return { strategy: "recreate", reason: "the default" };

  const obstacles = [
    ...service.rollingObstacles,
    ...imageVolumes(service, now),
    ...sharers(service, project),
  ];
  const [first] = obstacles;
  if (first !== undefined && strategy === "rolling") refuse([rollingRefused(service, obstacles)]);
  if (now.bringsEdge) return { strategy: "recreate", reason: FIRST_MOVE };
  if (!now.runs) return { strategy: "recreate", reason: "nothing runs that would have to go on serving" };
  if (first !== undefined) return { strategy: "recreate", reason: held(settings, first) };
  const reason =
    strategy === "rolling"
      ? "x-deployer.strategy is rolling"
      : "it is behind the edge, and two can run side by side";
  return { strategy: "rolling", reason };
}

const FIRST_MOVE =
  "its old container has the port of the edge, which comes when it has stopped: visitors notice that, this once";

function held({ holdMs }: Settings, obstacle: string): string {
  return `behind the edge, but ${obstacle}: requests are ${holdMs > 0 ? "held" : "refused"} meanwhile`;
}

/** Why `x-deployer.strategy: rolling` is refused. */
export function rollingRefused({ name }: Service, obstacles: readonly string[]): Problem {
  return {
    service: name,
    path: ["x-deployer", "strategy"],
    why: `rolling is not possible: ${obstacles.join("; ")}`,
  };
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
