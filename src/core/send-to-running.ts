import { containersOf, isRunning } from "./containers.ts";
import type { Server } from "./edge.ts";
import { DeployerError } from "./errors.ts";
import { portOf } from "./health.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { withLine } from "./problem.ts";
import { settingsIn } from "./recorded-settings.ts";
import type { Settings } from "./settings.ts";

/**
 * The requests of a service go to those of its containers that run, as far as the proxy reaches them. Without routes it does
 * nothing.
 * @param find where each of them answers; default: as the compose file says by now
 * Errors: `edge`, `compose_file`, `docker`.
 */
export async function sendToRunning(
  project: Named,
  service: Named,
  ports: Ports,
  find?: (container: Container) => Promise<Server>,
): Promise<void> {
  if (!ports.edge.isRouted(service.name)) return;
  const serving = await serversOf(project, service, ports, find);
  await ports.edge.direct(service.name, { serving, standby: [] }, "one");
}

/** Where those of its containers that run answer. Same errors, but for `edge`. */
export async function serversOf(
  project: Named,
  service: Named,
  ports: Ports,
  find: (container: Container) => Promise<Server> = (container) => asInFile(container, ports),
): Promise<Server[]> {
  const running = (await containersOf(project, service, ports.engine)).filter(isRunning);
  const servers: Server[] = [];
  for (const container of running) servers.push(await find(container));
  return servers;
}

/**
 * Where a container answers: where the edge has reached it already, whatever the file says by now, else where these
 * settings say, which may have been wrong. Errors: `compose_file`, when its port is not clear.
 */
export function asReached(container: Container, settings: Settings, { edge }: Pick<Ports, "edge">): Server {
  const { serving, standby } = edge.direction(container.service);
  const known = [...serving, ...standby].find((server) => server.container === container.id);
  return known ?? serverOf(container, settings);
}

async function asInFile(container: Container, ports: Ports): Promise<Server> {
  return serverOf(container, await settingsFor(container, ports));
}

/** Where a container answers. Errors: `compose_file`, when its port is not clear. */
export function serverOf(container: Container, settings: Settings): Server {
  return { container: container.id, port: portOf(container, settings) };
}

/** A refusal of the proxy that has not reached a service, with the line of its port. */
export async function atItsPort(
  refusal: unknown,
  service: string,
  { compose }: Pick<Ports, "compose">,
): Promise<unknown> {
  if (!(refusal instanceof DeployerError) || refusal.code !== "edge") return refusal;
  try {
    const { whereIs } = await compose.project();
    return withLine(refusal, whereIs(["services", service, "x-deployer", "port"]));
  } catch {
    // A broken file has no lines.
    return refusal;
  }
}

/** Those of the file where the container is what the file says: a port may have been corrected there since. Else its own. */
async function settingsFor({ id, service }: Container, ports: Ports): Promise<Settings> {
  const origin = ports.store.origin(id);
  const now = await ports.compose.project().then(
    ({ services }) => services.get(service),
    () => undefined,
  );
  const isOfFile = origin === undefined || origin.configHash === now?.configHash;
  return isOfFile && now !== undefined
    ? now.settings
    : await settingsIn(origin?.recorded ?? "", service, ports);
}
