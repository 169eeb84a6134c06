import type { Named } from "./compose.ts";
import type { Container, Engine } from "./engine.ts";

/** The containers of a service in any state, without those of `docker compose run`. */
export async function containersOf(project: Named, service: Named, engine: Engine): Promise<Container[]> {
  const all = await engine.containers(project.name);
  return all.filter((container) => container.service === service.name && !container.oneOff);
}

export function isRunning(container: Container): boolean {
  return container.state === "running";
}

/** Docker keeps it up: it runs, or is between two restarts. */
export function isKeptUp(container: Container): boolean {
  return isRunning(container) || container.state === "restarting";
}

/** A job that ran to its end: it serves nothing, no policy starts it again, and it exited with 0. */
export function isFinished(container: Container): boolean {
  const isJob =
    !container.exposesPorts &&
    container.health === "none" &&
    (container.restartPolicy === "no" || container.restartPolicy === "on-failure");
  return isJob && container.state === "exited" && container.exitCode === 0;
}

/** Why a container is not up, for people. */
export function describeEnd(container: Container): string {
  if (container.oomKilled) return "was killed for lack of memory";
  if (container.state === "exited" || container.state === "dead")
    return `exited with code ${container.exitCode}`;
  return `is ${container.state}`;
}

/** Twelve digits, as `docker ps` shows it. */
export function shortId(container: { id: string }): string {
  return container.id.slice(0, 12);
}
