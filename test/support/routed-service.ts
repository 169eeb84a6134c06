import { expect } from "bun:test";
import { z } from "zod";

import type { Reply } from "./daemon.ts";
import { type DeploymentRecord, eventsOf, idOf, recordOf } from "./deployment-record.ts";
import type { DockerClient } from "./docker-client.ts";
import type { LoadResult } from "./load-result.ts";
import { HOST, type RoutedScene } from "./routed-scene.ts";
import { stage } from "./stage.ts";

/** A service of the web server in a compose file, with a route. */
export type RoutedService = {
  /** Default `web`, whose route has the host of the load. */
  name?: string;
  host?: string;
  /** Of `x-deployer`, over the defaults; `""`: not at all. */
  settings?: Readonly<Record<string, string>>;
  /** More of the service. */
  lines?: readonly string[];
};

const Containers = z.array(z.object({ Id: z.string(), State: z.string() }));

/** For `services:` of a compose file. */
export function routedService(image: string, service: RoutedService = {}): string {
  const { name = "web", host = HOST, settings = {}, lines = [] } = service;
  const all = {
    port: "8080",
    health: "/health",
    watch: "1s",
    drain: "5s",
    route: `{ host: ${host} }`,
    ...settings,
  };
  const written = Object.entries(all).filter(([, value]) => value !== "");
  return [
    `  ${name}:`,
    `    image: ${image}`,
    "    stop_grace_period: 5s",
    `    environment: { APP_NAME: ${name} }`,
    ...lines.map((line) => `    ${line}`),
    "    x-deployer:",
    ...written.map(([key, value]) => `      ${key}: ${value}`),
    "",
  ].join("\n");
}

/** What went wrong under a load, and when: nothing. */
export function failuresOf({ failed, failures, reasons }: LoadResult): unknown {
  return failed === 0 ? [] : { failed, reasons, first: failures.slice(0, 5) };
}

/** Deploys and waits for the end. */
export async function deployTo(
  { daemon }: RoutedScene,
  image: string | undefined,
  service = "web",
): Promise<{ reply: Reply; record: DeploymentRecord; told: string[] }> {
  const reply = await daemon.deploy({ service, ...(image === undefined ? {} : { image }) });
  const record = await recordOf(daemon, idOf(reply));
  return { reply, record, told: await toldOf(daemon, record.id) };
}

export async function deployWell(scene: RoutedScene, image: string, service = "web"): Promise<string[]> {
  const { record, told } = await deployTo(scene, image, service);
  expect([record.status, record.reason]).toEqual(["succeeded", ""]);
  return told;
}

export async function toldOf(daemon: RoutedScene["daemon"], id: string): Promise<string[]> {
  return (await eventsOf(daemon, id)).map(({ text }) => text);
}

/** Ids of the proxy's containers that run. */
export async function proxiesOf(
  { project }: RoutedScene,
  docker: DockerClient = stage().docker,
): Promise<string[]> {
  const label = { label: [`com.docker.compose.project=${project.name}-edge`] };
  const query = `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(label))}`;
  const found = Containers.parse(await (await docker.api(query)).json());
  return found.filter(({ State }) => State === "running").map(({ Id }) => Id);
}

/** One answer of the edge. */
export type Visit = {
  status: number;
  text: string;
  retryAfter: string | null;
  /** X-Service. */
  service: string | null;
  /** Milliseconds. */
  took: number;
};

/** Asks once, on a connection of its own. */
export async function visit(
  { port }: RoutedScene,
  { path = "/", host = HOST, withinMs = 60_000 } = {},
): Promise<Visit> {
  const started = performance.now();
  const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { Host: host },
    keepalive: false,
    signal: AbortSignal.timeout(withinMs),
  });
  return {
    status: reply.status,
    text: await reply.text(),
    retryAfter: reply.headers.get("Retry-After"),
    service: reply.headers.get("X-Service"),
    took: performance.now() - started,
  };
}
