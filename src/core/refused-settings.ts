import type { Project } from "./ports.ts";
import { rollingRefused } from "./strategy.ts";

/**
 * Settings that every deployment of their service would be refused for, a line each: better said before than at night.
 * What depends on the image, or on what is deployed together, is not among them.
 */
export function refusedSettings({ services }: Project): string[] {
  return [...services.values()]
    .filter(
      ({ settings, rollingObstacles }) => settings.strategy === "rolling" && rollingObstacles.length > 0,
    )
    .map((service) => rollingRefused(service, service.rollingObstacles));
}
