import type { Project } from "./compose.ts";
import { type Problem, sayProblem } from "./problem.ts";
import { refusedRoutes } from "./refused-routes.ts";
import { rollingRefused, sharers } from "./strategy.ts";

/**
 * What every deployment of its service would be refused for, a line each: better said before than at night. What depends on
 * the image is not among it.
 */
export function refusedSettings(project: Project): string[] {
  const rolling = [...project.services.values()].flatMap((service): Problem[] => {
    if (service.settings.strategy !== "rolling") return [];
    const obstacles = [...service.rollingObstacles, ...sharers(service, project)];
    return obstacles.length === 0 ? [] : [rollingRefused(service, obstacles)];
  });
  return [...rolling, ...refusedRoutes(project)].map((problem) => sayProblem(problem, project.whereIs));
}
