import type { Direction, Frontage } from "./edge.ts";
import { DeployerError, publicMessage } from "./errors.ts";
import type { Project } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { progressOf } from "./progress.ts";
import { sayProblem, withLine } from "./problem.ts";
import { refusedRoutes } from "./refused-routes.ts";
import { sendToRunning, serversOf } from "./send-to-running.ts";

/** Whose failure it is when services could not be brought in front. No service has such a name. */
export const THE_EDGE = "x-deployer.edge";
const OF_THE_EDGE = /\bx-deployer\.edge\.(\w+)/;

/**
 * Brings the proxy to what the compose file says now. What is wrong with the file touches nothing.
 * @param mover the deployment on its first move that asks for it: nobody else's wish counts until that has ended
 * Errors: `compose_file` with all that is wrong with the routes, `edge`.
 */
export async function applyEdge(project: Project, ports: Ports, mover?: string): Promise<void> {
  assertRoutes(project);
  assertNobodyMoves(mover, ports);
  const wanted = frontageOf(project);
  try {
    await ports.edge.apply(wanted, await newcomers(project, wanted, ports));
  } catch (error) {
    throw atItsLine(error, project);
  }
}

/** The part of it that takes time and changes nothing. Same errors. */
export async function prepareEdge(project: Project, { edge }: Pick<Ports, "edge">): Promise<void> {
  assertRoutes(project);
  const wanted = frontageOf(project);
  if (wanted !== undefined) await edge.prepare(wanted);
}

/**
 * What is wrong with the proxy that the file wants, as far as it shows before it comes, with the lines. A port that the
 * project itself publishes is handed over by the deployment that brings the proxy. Errors: `docker`.
 */
export async function edgeProblems(
  project: Project,
  { edge, engine }: Pick<Ports, "edge" | "engine">,
): Promise<string[]> {
  const wanted = frontageOf(project);
  if (wanted === undefined) return [];
  const others = async (port: number | undefined): Promise<number | undefined> => {
    if (port === undefined) return undefined;
    const isOurs = (await engine.publishers(port)).some((each) => each.project === project.name);
    return isOurs ? undefined : port;
  };
  const { http, https, ...settings } = wanted.settings;
  const problems = await edge.judge({
    ...wanted,
    settings: { ...settings, http: await others(http), https: await others(https) },
  });
  return problems.map((problem) => lineOf(problem, project) + problem);
}

/** Services that get their first route, where they answer already. One whose port is not clear is told of when it is deployed. */
async function newcomers(
  project: Project,
  wanted: Frontage | undefined,
  ports: Ports,
): Promise<Map<string, Direction>> {
  const found = new Map<string, Direction>();
  for (const name of wanted?.routes.keys() ?? []) {
    if (ports.edge.isRouted(name)) continue;
    const serving = await serversOf(project, { name }, ports).catch(() => []);
    found.set(name, { serving, standby: [] });
  }
  return found;
}

/** Its old containers and the proxy have one port between them: it alone decides who has it. */
function assertNobodyMoves(mover: string | undefined, ports: Pick<Ports, "store">): void {
  const other = ports.store
    .unfinished()
    .find((each) => each.id !== mover && progressOf(each, ports).plans.some(({ bringsEdge }) => bringsEdge));
  if (other === undefined) return;
  const text = `deployment ${other.id} is bringing the edge: it stays as it is until that has ended`;
  throw new DeployerError("edge", text);
}

function assertRoutes(project: Project): void {
  const problems = refusedRoutes(project).map((problem) => sayProblem(problem, project.whereIs));
  if (problems.length > 0) throw new DeployerError("compose_file", problems.join("\n"));
}

/** Services of the project whose running containers have a port that the proxy is to have; none once it is there. Errors: `docker`. */
export async function holdersOfItsPorts(
  { name, edge }: Project,
  ports: Pick<Ports, "engine" | "edge">,
): Promise<ReadonlySet<string>> {
  if (ports.edge.frontage() !== undefined) return new Set();
  const wanted = [edge?.http, edge?.https].filter((port) => port !== undefined);
  const publishers = (await Promise.all(wanted.map((port) => ports.engine.publishers(port)))).flat();
  return new Set(publishers.filter(({ project }) => project === name).map(({ service }) => service));
}

/**
 * The proxy as the file says, and the requests of each service sent to what runs of it, each in its turn, none held any
 * more. One that fails holds up no other. While services have the proxy's ports, it is left to their next deployment.
 * @returns what failed, by service
 */
export async function bringEdge(project: Project, ports: Ports): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  const holders = await holdersOfItsPorts(project, ports);
  if (holders.size > 0) {
    ports.log.info("the edge comes with the next deployment of the services that have its ports", {
      services: [...holders],
    });
    return failures;
  }
  try {
    await applyEdge(project, ports);
  } catch (error) {
    ports.log.error("the edge could not be brought up", { error });
    return failures.set(THE_EDGE, publicMessage(error));
  }
  for (const name of project.services.keys()) {
    try {
      await ports.inTurn(name, async () => {
        await sendToRunning(project, { name }, ports);
        // A daemon that was killed in the middle of a restart has left it so.
        await ports.edge.release(name);
      });
    } catch (error) {
      ports.log.error("requests could not be sent to what runs", { service: name, error });
      failures.set(name, publicMessage(error));
    }
  }
  return failures;
}

function atItsLine(error: unknown, project: Project): unknown {
  return error instanceof DeployerError ? withLine(error, lineOf(error.message, project)) : error;
}

/** What the proxy refuses names its key of the compose file, which stands on a line. */
function lineOf(refusal: string, { whereIs }: Project): string {
  const key = OF_THE_EDGE.exec(refusal)?.[1];
  return key === undefined ? "" : whereIs(["x-deployer", "edge", key]);
}

/** What a compose file, as it is or was, wants in front; undefined: nothing. */
export function frontageOf({ name, services, edge }: Project): Frontage | undefined {
  if (edge === undefined) return undefined;
  const routed = [...services.values()].filter(({ settings }) => settings.routes.length > 0);
  return {
    project: name,
    settings: edge,
    routes: new Map(routed.map(({ name, settings }) => [name, settings.routes])),
    resendAll: new Set(routed.filter(({ settings }) => settings.resend === "all").map(({ name }) => name)),
  };
}
