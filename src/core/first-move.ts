import { type Deployment, servicesOf } from "./deployment.ts";
import { applyEdge, frontageOf, holdersOfItsPorts, prepareEdge } from "./apply-edge.ts";
import type { Project } from "./compose.ts";
import { noteLostRoutes } from "./lost-routes.ts";
import type { Ports } from "./ports.ts";
import type { Plan } from "./store.ts";

/**
 * The first move from a published port to the edge: the old containers have the port that the proxy needs, so it comes
 * when they have stopped, and goes again if they come back. The one time that visitors notice.
 */

/**
 * The proxy as the file says; later, if the services to be replaced have its ports. Not for a deployment of which nothing is
 * behind it, nor was: an edge that cannot be is no failure of theirs.
 * @returns those that bring it
 * Errors: `compose_file`, `edge`, `docker`.
 */
export async function applyEdgeFor(
  deployment: Deployment,
  project: Project,
  replaced: ReadonlySet<string>,
  ports: Ports,
): Promise<ReadonlySet<string>> {
  const holders = await holdersOfItsPorts(project, ports);
  if (holders.size > 0 && holders.isSubsetOf(replaced)) {
    await prepareEdge(project, ports);
    return holders;
  }
  const routesOf = (name: string) => project.services.get(name)?.settings.routes ?? [];
  if (servicesOf(deployment).some((name) => routesOf(name).length > 0 || ports.edge.isRouted(name))) {
    noteLostRoutes(deployment, frontageOf(project), ports);
    await applyEdge(project, ports);
  }
  return new Set();
}

/** The old containers have stopped: the proxy comes, as the version to be says. Errors: `edge`, `compose_file`. */
export async function bringEdgeAfter(plan: Plan, deployment: Deployment, ports: Ports): Promise<void> {
  if (!plan.bringsEdge) return;
  await applyEdge(await ports.compose.recorded(plan.version.recorded), ports, deployment.id);
}

/** The old containers come back, and need their port. Errors: `edge`. */
export async function removeEdgeAgain({ bringsEdge }: Plan, { edge }: Pick<Ports, "edge">): Promise<void> {
  if (bringsEdge) await edge.apply(undefined);
}
