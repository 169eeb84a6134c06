import type { Named } from "./compose.ts";
import type { Deployment } from "./deployment.ts";
import type { EdgeSettings } from "./edge-settings.ts";
import type { Frontage } from "./edge.ts";
import type { Ports } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { settingsIn } from "./recorded-settings.ts";
import { serverOf, serversOf } from "./send-to-running.ts";
import type { Route } from "./settings.ts";

/**
 * What a deployment takes from the edge because the compose file has it no more. It goes before the new version comes, which
 * may publish a port that the edge has; so a deployment that fails has to bring it back, or what ran before is back and
 * cannot be reached.
 */
export type LostRoutes = {
  /** There when the whole edge goes. */
  edge: EdgeSettings | undefined;
  services: readonly { service: string; routes: readonly Route[]; resendAll: boolean }[];
};

/** On disk before the edge changes. What an attempt that was killed has taken counts too. */
export function noteLostRoutes(deployment: Deployment, wanted: Frontage | undefined, ports: Ports): void {
  const now = ports.edge.frontage();
  if (now === undefined) return;
  const staying = [...(wanted?.routes.values() ?? [])].flat();
  const services = [...now.routes]
    .map(([service, routes]) => ({
      service,
      routes: without(routes, staying),
      resendAll: now.resendAll.has(service),
    }))
    .filter(({ routes }) => routes.length > 0);
  const edge = wanted === undefined ? now.settings : undefined;
  if (services.length > 0 || edge !== undefined)
    saveProgress(deployment, { lost: { edge, services } }, ports);
}

/**
 * The way back for visitors. Safe to repeat.
 * @returns what a person has to know
 * Errors: `edge`, `docker`.
 */
export async function bringRoutesBack(
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<string[]> {
  const { lost } = progressOf(deployment, ports);
  const now = ports.edge.frontage() ?? frontOf(lost.edge, project);
  if (now === undefined) return [];
  const there = [...now.routes.values()].flat();
  const missing = lost.services
    .map((each) => ({ ...each, routes: without(each.routes, there) }))
    .filter(({ routes }) => routes.length > 0);
  if (missing.length === 0 && ports.edge.frontage() !== undefined) return [];
  const routes = new Map(now.routes);
  for (const each of missing) routes.set(each.service, [...(routes.get(each.service) ?? []), ...each.routes]);
  const resent = missing.filter(({ resendAll }) => resendAll).map(({ service }) => service);
  const running = await Promise.all(missing.map(({ service }) => servingOf(service, project, ports)));
  await ports.edge.apply(
    { ...now, routes, resendAll: new Set([...now.resendAll, ...resent]) },
    new Map(running),
  );
  return [saidOf(lost, missing)];
}

async function servingOf(service: string, project: Named, ports: Ports) {
  const serving = await serversOf(
    project,
    { name: service },
    ports,
    async (container) =>
      serverOf(container, await settingsIn(ports.store.origin(container.id)?.recorded ?? "", service, ports)),
    // The route comes back all the same; its requests are sent on by whoever finds out where.
  ).catch(() => []);
  return [service, { serving, standby: [] }] as const;
}

function frontOf(settings: EdgeSettings | undefined, { name }: Named): Frontage | undefined {
  return settings && { project: name, settings, routes: new Map(), resendAll: new Set() };
}

function without(routes: readonly Route[], others: readonly Route[]): Route[] {
  return routes.filter(
    ({ host, path }) => !others.some((other) => other.host === host && other.path === path),
  );
}

function saidOf({ edge }: LostRoutes, missing: LostRoutes["services"]): string {
  const names = missing.map(
    ({ service, routes }) =>
      `${service} (${routes.map(({ host, path }) => `${host ?? ""}${path}`).join(", ")})`,
  );
  const what = [...(edge === undefined ? [] : ["the edge"]), ...names].join(" and ");
  return `the compose file has no more, and this deployment has brought back: ${what}`;
}
