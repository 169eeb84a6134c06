import type { Route } from "../core/settings.ts";

/** Where the requests of a route go. */
export type RoutedTo = { route: Route; backend: string };

/**
 * In the order in which they are looked at: a host before a wildcard before any host, the longer wildcard first, then the
 * longer path. A request that a host has no path for goes on to the next.
 */
export function inOrder(routes: readonly RoutedTo[]): RoutedTo[] {
  return routes.toSorted(
    ({ route: a }, { route: b }) =>
      hostRank(a) - hostRank(b) ||
      hostLength(b) - hostLength(a) ||
      b.path.length - a.path.length ||
      compare(a.host ?? "", b.host ?? "") ||
      compare(a.path, b.path),
  );
}

/**
 * HAProxy's conditions for a route, each enough by itself. A path is matched in whole segments: `/api` is `/api` and what
 * begins with `/api/`. Both are compared as they were sent, without decoding, as HAProxy's own `path` is.
 */
export function conditionsOf({ host, path }: Route): string[] {
  const ofHost = hostCondition(host);
  const ofPath = path.endsWith("/")
    ? [path === "/" ? "" : `{ path -m beg ${path} }`]
    : [`{ path -m str ${path} }`, `{ path -m beg ${path}/ }`];
  return ofPath.map((condition) => [ofHost, condition].filter((text) => text !== "").join(" "));
}

function hostCondition(host: string | undefined): string {
  if (host === undefined) return "";
  if (host.startsWith("*.")) return `{ var(txn.host) -m end ${host.slice(1)} }`;
  return `{ var(txn.host) -m str ${host} }`;
}

function hostRank({ host }: Route): number {
  if (host === undefined) return 2;
  return host.startsWith("*.") ? 1 : 0;
}

/** Exact hosts do not compete with each other. */
function hostLength({ host }: Route): number {
  return host?.startsWith("*.") === true ? host.length : 0;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
