import { z } from "zod";

import type { Route } from "../core/settings.ts";
import { exactText, mustBe, refusing, written } from "./written.ts";

/** Hosts and paths of routes become text of a proxy's configuration: nothing passes here that could be its syntax. */

export const ROUTE_KEYS = ["host", "path"];

const LONGEST_HOST = 253;
const LONGEST_PATH = 1_024;
/** RFC 1123, section 2.1. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Of what RFC 3986 allows in a path, what no proxy, shell or pattern gives a meaning to. */
const PATH = /^\/(?:[A-Za-z0-9._~:@+=/-]|%[0-9A-Fa-f]{2})*$/;

/** One route: a mapping with `host`, `path` or both. */
export const RouteSetting = z
  .strictObject(
    {
      host: written((value, refuse) => {
        const host = exactText(value, refuse)?.toLowerCase();
        if (host === undefined) return undefined;
        const problem = hostProblem(host);
        return problem === undefined ? host : refuse(problem);
      }),
      path: written((value, refuse) => {
        const path = exactText(value, refuse);
        if (path === undefined) return undefined;
        const problem = pathProblem(path);
        return problem === undefined ? path : refuse(problem);
      }),
    },
    { error: mustBe("a mapping with host, path or both") },
  )
  .transform(({ host, path }, context): Route => {
    const isEmpty = host === undefined && path === undefined;
    // Next to an unknown key it would not be the reason.
    if (isEmpty && context.issues.length === 0)
      refusing(context)("says neither host nor path: for every request write path: /");
    return { host, path: path ?? "/" };
  });

const RouteList = z
  .array(RouteSetting)
  .min(1, "has no route in its list")
  .transform((routes, context) => {
    // Next to an unknown key a route is not the one that was meant.
    if (context.issues.length > 0) return routes;
    for (const [index, route] of routes.entries()) {
      const earlier = routes.slice(0, index).some((other) => isSameRoute(other, route));
      if (earlier) refusing(context)("is there twice", String(index));
    }
    return routes;
  });

/** A route or a list of them. */
export const RoutesSetting = z.unknown().transform((value, context): Route[] => {
  const { data, error } = Array.isArray(value)
    ? RouteList.safeParse(value)
    : RouteSetting.transform((route) => [route]).safeParse(value);
  for (const { path, message, ...issue } of error?.issues ?? [])
    context.addIssue(
      issue.code === "unrecognized_keys"
        ? { code: issue.code, keys: issue.keys, path, input: {} }
        : { code: "custom", message, path },
    );
  return data ?? [];
});

function isSameRoute(a: Route, b: Route): boolean {
  return a.host === b.host && a.path === b.path;
}

function hostProblem(host: string): string | undefined {
  if (host === "") return "must be a host name, not an empty text";
  if (/^[a-z]+:\/\//.test(host)) return "must be the host name alone, as in shop.example.com";
  if (host.includes("/")) return "must be the host name alone: write what follows it in path";
  if (/:\d*$/.test(host))
    return "must be without a port: those of the edge are x-deployer.edge.http and https";
  if (/[^\0-\x7f]/.test(host)) return "must be written in ASCII: the name as in a certificate, xn--…";
  const labels = host.replace(/^\*\./, "").split(".");
  if (!labels.every((label) => LABEL.test(label)))
    return "must be a host name, as in shop.example.com or *.example.com";
  if (host.length > LONGEST_HOST) return `must not be longer than ${LONGEST_HOST} characters`;
  return undefined;
}

function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "must begin with a slash, as in /shop";
  if (/[?#]/.test(path)) return "must be without ? and #: a route is for a path, whatever is asked of it";
  if (!PATH.test(path))
    return "must be of letters, digits, slashes and . _ ~ : @ + = -: write the rest as %20";
  if (path.includes("//")) return "must not have two slashes in a row";
  if (path.split("/").some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment)))
    return "must not have . or .. between slashes: no request has them when it arrives";
  if (path.length > LONGEST_PATH) return `must not be longer than ${LONGEST_PATH} characters`;
  return undefined;
}
