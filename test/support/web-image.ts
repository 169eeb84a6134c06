import { join } from "node:path";

import { busyboxFiles } from "./busybox.ts";
import { librariesOf } from "./libraries.ts";
import { type Layer, type Published, pushImage, toLayer } from "./push-image.ts";
import type { Registry } from "./registry.ts";
import { randomBytes, tar } from "./tar.ts";

/** How one version of the web server behaves. Each setting is an `APP_…` variable of the image, so a compose file can set it too. */
type WebBehaviour = {
  /** What `GET /` and the header X-Version answer. */
  version: string;
  /** X-Service; default `web`. */
  name?: string;
  /** Before it listens; default 300, as an application on Node takes. */
  startDelayMs?: number;
  /** `GET /health` answers 503. */
  neverHealthy?: boolean;
  /** So, too, when it has answered so many requests, those for `/health` not counted. */
  unhealthyAfterRequests?: number;
  /** Ends with code 1 so long after it has begun to listen. */
  crashAfterMs?: number;
  /** Ends with code 1 when it has answered so many requests, those for `/health` not counted. */
  crashAfterRequests?: number;
  /** So long after it has begun to listen, it takes memory until it is killed for it. */
  allocateAfterMs?: number;
};

export type WebImage = WebBehaviour & {
  repository: string;
  tag: string;
  /** Size of an extra, incompressible part of the version's layer. */
  payloadBytes?: number;
  env?: Readonly<Record<string, string>>;
};

const PROGRAM = join(import.meta.dir, "web-main.ts");
/**
 * Publishes a web server on port 8080 (APP_PORT) with keep-alive, bodies, slow answers, events and WebSockets, which ends
 * well on SIGTERM; `web-main.ts` says what it answers. The runtime is one large layer of all versions and services, so a
 * further version costs some milliseconds, and Docker little more than its configuration.
 */
export async function publishWeb(registry: Registry, image: WebImage): Promise<Published> {
  const { repository, tag, version, payloadBytes = 0 } = image;
  const own = tar([
    { path: "version", mode: 0o644, content: version },
    ...(payloadBytes > 0 ? [{ path: "payload", mode: 0o644, content: randomBytes(payloadBytes) }] : []),
  ]);
  const layers = [...(await sharedLayers()), toLayer(own)];
  return await pushImage(registry, { repository, tag, layers, config: configOf(image) });
}

let shared: Promise<readonly Layer[]> | undefined;

function sharedLayers(): Promise<readonly Layer[]> {
  shared ??= Promise.all([
    runtime().then((archive) => toLayer(archive, "shared")),
    program().then((archive) => toLayer(archive)),
  ]);
  return shared;
}

/** The Bun that runs the tests, with its libraries: the same archive as long as this machine is the same. */
async function runtime(): Promise<Uint8Array<ArrayBuffer>> {
  return tar([
    ...(await busyboxFiles()),
    ...(await librariesOf(process.execPath)),
    { path: "bin/bun", mode: 0o755, content: await Bun.file(process.execPath).bytes() },
    { path: "tmp/", mode: 0o1777, folder: true },
  ]);
}

async function program(): Promise<Uint8Array<ArrayBuffer>> {
  const { outputs } = await Bun.build({ entrypoints: [PROGRAM], target: "bun" });
  const [built] = outputs;
  if (built === undefined) throw new Error(`${PROGRAM} was not built`);
  return tar([{ path: "web.js", mode: 0o644, content: await built.text() }]);
}

function configOf(image: WebImage): Record<string, unknown> {
  const settings = { ...webEnvironment(image), ...image.env };
  return {
    Cmd: ["/bin/bun", "--smol", "/web.js"],
    Env: ["PATH=/bin", ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)],
    ExposedPorts: { "8080/tcp": {} },
  };
}

function webEnvironment(behaviour: WebBehaviour): Record<string, string> {
  const settings = {
    APP_NAME: behaviour.name,
    APP_START_DELAY_MS: behaviour.startDelayMs,
    APP_NEVER_HEALTHY: behaviour.neverHealthy === true ? "yes" : undefined,
    APP_UNHEALTHY_AFTER_REQUESTS: behaviour.unhealthyAfterRequests,
    APP_CRASH_AFTER_MS: behaviour.crashAfterMs,
    APP_CRASH_AFTER_REQUESTS: behaviour.crashAfterRequests,
    APP_ALLOCATE_AFTER_MS: behaviour.allocateAfterMs,
  };
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}
