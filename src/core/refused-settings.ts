import type { Project } from "./compose.ts";
import { rollingRefused, sharers } from "./strategy.ts";

/**
 * Settings that every deployment of their service would be refused for, a line each: better said before than at night.
 * What depends on the image is not among them.
 */
export function refusedSettings(project: Project): string[] {
  return [...project.services.values()].flatMap((service) => {
    if (service.settings.strategy !== "rolling") return [];
    const obstacles = [...service.rollingObstacles, ...sharers(service, project)];
    return obstacles.length === 0 ? [] : [rollingRefused(service, obstacles)];
  });
}
