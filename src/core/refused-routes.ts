import type { Project, Service } from "./compose.ts";
import { isJob } from "./dependencies.ts";
import type { Problem } from "./problem.ts";
import type { Route } from "./settings.ts";

const CHALLENGES = "/.well-known/acme-challenge";

/**
 * What stands in the way of the edge as the whole project is: routes that nobody could follow, or two at a time, and
 * services that take its ports. Of two services with one route both are named.
 */
export function refusedRoutes(project: Project): Problem[] {
  const services = [...project.services.values()];
  return services.flatMap((service) =>
    [
      routesNobodyFollows(service, project),
      routesOfJobs(service, project),
      takenPorts(service, project),
    ].flat(),
  );
}

function routesNobodyFollows(service: Service, project: Project): Problem[] {
  return service.settings.routes.flatMap((route, index, { length }) => {
    const path = ["x-deployer", "route", ...(length > 1 ? [String(index)] : [])];
    return routeProblems(route, service, project).map((why) => ({ service: service.name, path, why }));
  });
}

function routesOfJobs(service: Service, project: Project): Problem[] {
  if (service.settings.routes.length === 0 || !isJob(service, project)) return [];
  const why = "others wait for this service to end, and then nobody answers: remove it";
  return [{ service: service.name, path: ["x-deployer", "route"], why }];
}

function routeProblems(route: Route, service: Service, { edge, services }: Project): string[] {
  if (edge === undefined)
    return ["there is no edge to follow it: add x-deployer: { edge: { http: 80 } } at the top of the file"];
  const same = [...services.values()]
    .filter((other) => other !== service && other.settings.routes.some((each) => isSame(each, route)))
    .map(({ name }) => `service "${name}"`);
  const isWebhook = edge.webhook !== undefined && isSame(edge.webhook, route);
  const owners = [...same, ...(isWebhook ? ["x-deployer.edge.webhook"] : [])];
  const isOfChallenges =
    edge.challenges !== undefined && (route.path === CHALLENGES || route.path.startsWith(`${CHALLENGES}/`));
  return [
    ...owners.map((owner) => `${describe(route)} is the route of ${owner} too: keep one of them`),
    ...(isOfChallenges ? ["what is there comes from the folder of x-deployer.edge.acme_challenges"] : []),
  ];
}

/** Behind the edge a service needs no port of the host; another can have another. */
function takenPorts({ name, hostPorts, settings }: Service, { edge }: Project): Problem[] {
  return (["http", "https"] as const).flatMap((key) => {
    const port = edge?.[key];
    if (port === undefined || !hostPorts.some(({ from, to }) => from <= port && port <= to)) return [];
    const remedy =
      settings.routes.length > 0 ? "remove it, requests come through the edge" : "publish another one";
    const why = `port ${port} of the host is that of the edge (x-deployer.edge.${key}): ${remedy}`;
    return [{ service: name, path: ["ports"], why }];
  });
}

function isSame(a: Route, b: Route): boolean {
  return a.host === b.host && a.path === b.path;
}

/** `shop.example.com/cart`, or `/cart of any host`. */
function describe({ host, path }: Route): string {
  return host === undefined ? `${path} of any host` : `${host}${path}`;
}
