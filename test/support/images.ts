import { type AppBehaviour, appEnvironment, baseLayer, versionLayer } from "./app.ts";
import { type Layer, type Published, pushImage, toLayer } from "./push-image.ts";
import type { Registry } from "./registry.ts";

/** One image to publish: the test app on port 8080 (`/` its version, `/cgi-bin/env` its environment). */
export type AppImage = AppBehaviour & {
  repository: string;
  tag: string;
  /** Size of an extra, incompressible part of the version's layer. */
  payloadBytes?: number;
  /** Paths that the image declares with VOLUME. */
  volumes?: readonly string[];
  env?: Readonly<Record<string, string>>;
  healthcheck?: AppHealthcheck;
  user?: string;
  /** In Go's words; default: this machine's. Its programs are this machine's all the same. */
  architecture?: "amd64" | "arm64";
};

/** A HEALTHCHECK: it passes when the app serves, when the app says that it is healthy, or never. */
type AppHealthcheck = {
  passes: boolean | "when healthy";
  intervalMs?: number;
  retries?: number;
};

const DEFAULT_INTERVAL = 500;
const DEFAULT_RETRIES = 2;
const NANOSECONDS = 1_000_000;

/** Publishes without an engine: some milliseconds a version. The same input gives the same digest, unless it has a payload. */
export async function publishImage(registry: Registry, image: AppImage): Promise<Published> {
  const { repository, tag, architecture } = image;
  const layers = [await sharedBase(), toLayer(versionLayer(image.version, image.payloadBytes ?? 0))];
  return await pushImage(registry, { repository, tag, architecture, layers, config: configOf(image) });
}

let base: Promise<Layer> | undefined;

function sharedBase(): Promise<Layer> {
  base ??= baseLayer().then((archive) => toLayer(archive));
  return base;
}

function configOf(image: AppImage): Record<string, unknown> {
  return {
    Cmd: ["/app"],
    Env: [
      "PATH=/bin",
      ...appEnvironment(image),
      ...Object.entries(image.env ?? {}).map(([name, value]) => `${name}=${value}`),
    ],
    ExposedPorts: { "8080/tcp": {} },
    ...(image.volumes === undefined
      ? {}
      : { Volumes: Object.fromEntries(image.volumes.map((path) => [path, {}])) }),
    ...(image.healthcheck === undefined ? {} : { Healthcheck: healthcheckOf(image.healthcheck) }),
    ...(image.user === undefined ? {} : { User: image.user }),
  };
}

function healthcheckOf(check: AppHealthcheck): unknown {
  const interval = (check.intervalMs ?? DEFAULT_INTERVAL) * NANOSECONDS;
  const path = check.passes === "when healthy" ? "cgi-bin/health" : "";
  const test =
    check.passes === false
      ? ["CMD", "/bin/sh", "-c", "echo there is no database; exit 1"]
      : ["CMD-SHELL", `wget -q -O /dev/null "http://127.0.0.1:\${APP_PORT:-8080}/${path}"`];
  return {
    Test: test,
    Interval: interval,
    Timeout: 5000 * NANOSECONDS,
    Retries: check.retries ?? DEFAULT_RETRIES,
  };
}
