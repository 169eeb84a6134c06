import type { Direction, Frontage } from "../../src/core/edge.ts";
import type { Route } from "../../src/core/settings.ts";
import { type EdgeApp, startEdgeApp } from "./edge-app.ts";
import type { HaproxyStage } from "./haproxy-process.ts";

/** Where all containers of these tests answer, each at its own address. */
export const APP_PORT = 3000;
export const EVERYTHING: Route = { host: undefined, path: "/" };

/** A container of this name, whose answers have the name as version. */
export function startContainer(stage: HaproxyStage, container: string, service = "web"): EdgeApp {
  const address = stage.address(container);
  return startEdgeApp({ address, port: APP_PORT, version: container, name: service });
}

export function to(serving: string | readonly string[], ...standby: string[]): Direction {
  const server = (container: string) => ({ container, port: APP_PORT });
  return { serving: [serving].flat().map(server), standby: standby.map(server) };
}

/** @param http undefined: not at all */
export function frontage(
  http: number | undefined,
  routes: Record<string, Route[]>,
  settings: Partial<Frontage["settings"]> = {},
  resendAll: readonly string[] = [],
): Frontage {
  const none = { https: undefined, certs: undefined, challenges: undefined, image: undefined };
  return {
    project: "shop",
    settings: { http, ...none, webhook: undefined, ...settings },
    routes: new Map(Object.entries(routes)),
    resendAll: new Set(resendAll),
  };
}
