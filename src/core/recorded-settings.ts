import type { Ports } from "./ports.ts";
import { DEFAULT_SETTINGS, type Settings } from "./settings.ts";

/**
 * What a service said under `x-deployer` in a recorded configuration: each version is judged by its own settings. They are
 * read where they are needed and kept nowhere else, because headers of a health request may be secrets.
 * A configuration that cannot be read is no reason to leave a service down: then the container's own HEALTHCHECK counts.
 */
export async function settingsIn(
  recorded: string,
  service: string,
  { compose, log }: Pick<Ports, "compose" | "log">,
): Promise<Settings> {
  if (recorded === "") return DEFAULT_SETTINGS;
  try {
    const project = await compose.recorded(recorded);
    return project.services.get(service)?.settings ?? DEFAULT_SETTINGS;
  } catch (error) {
    log.warn("settings of a recorded configuration could not be read", { service, error });
    return DEFAULT_SETTINGS;
  }
}
