import { type AppBehaviour, appEnvironment, baseLayer, versionLayer } from "./app.ts";
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

export type Published = {
  /** `registry/repository:tag`, as a compose file names it. */
  reference: string;
  /** `sha256:…` of the manifest. */
  digest: string;
  /** `sha256:…` of the configuration: Docker's image id (without the containerd image store). */
  imageId: string;
};

type Blob = { bytes: Uint8Array<ArrayBuffer>; digest: string };
type Layer = Blob & { diffId: string };

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const DEFAULT_INTERVAL = 500;
const DEFAULT_RETRIES = 2;
const NANOSECONDS = 1_000_000;
const REQUEST_DEADLINE = 30_000;

/**
 * Writes an image straight into a registry, as `docker push` would (Docker image manifest v2, schema 2), without an
 * engine: some milliseconds a version. The same input gives the same digest, unless it has a payload.
 */
export async function publishImage(registry: Registry, image: AppImage): Promise<Published> {
  const base = await sharedBase();
  const own = toLayer(versionLayer(image.version, image.payloadBytes ?? 0));
  const config = toBlob(JSON.stringify(configOf(image, [base, own])));
  const manifest = toBlob(JSON.stringify(manifestOf(config, [base, own])));

  for (const blob of [base, own, config]) await upload(registry, image.repository, blob);
  await send(
    registry,
    "PUT",
    `/v2/${image.repository}/manifests/${image.tag}`,
    manifest.bytes,
    MANIFEST_TYPE,
  );
  return {
    reference: `${registry.address}/${image.repository}:${image.tag}`,
    digest: manifest.digest,
    imageId: config.digest,
  };
}

let base: Promise<Layer> | undefined;

function sharedBase(): Promise<Layer> {
  base ??= baseLayer().then(toLayer);
  return base;
}

function configOf(image: AppImage, layers: readonly Layer[]): unknown {
  return {
    architecture: image.architecture ?? (process.arch === "arm64" ? "arm64" : "amd64"),
    os: "linux",
    created: "2026-01-01T00:00:00Z",
    config: {
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
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "test app" })),
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

function manifestOf(config: Blob, layers: readonly Layer[]): unknown {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, size: config.bytes.length, digest: config.digest },
    layers: layers.map(({ bytes, digest }) => ({ mediaType: LAYER_TYPE, size: bytes.length, digest })),
  };
}

async function upload(registry: Registry, repository: string, blob: Blob): Promise<void> {
  const head = await request(registry, "HEAD", `/v2/${repository}/blobs/${blob.digest}`);
  if (head.ok) return;
  const session = await send(registry, "POST", `/v2/${repository}/blobs/uploads/`);
  const location = new URL(session.headers.get("location") ?? "", registry.push.origin);
  location.searchParams.set("digest", blob.digest);
  await send(registry, "PUT", location.pathname + location.search, blob.bytes, "application/octet-stream");
}

async function send(
  registry: Registry,
  method: string,
  path: string,
  body?: Uint8Array<ArrayBuffer>,
  type?: string,
): Promise<Response> {
  const reply = await request(registry, method, path, body, type);
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
  return reply;
}

function request(
  registry: Registry,
  method: string,
  path: string,
  body?: Uint8Array<ArrayBuffer>,
  type?: string,
): Promise<Response> {
  return fetch(registry.push.origin + path, {
    method,
    headers: { ...registry.push.headers, ...(type === undefined ? {} : { "Content-Type": type }) },
    ...(body === undefined ? {} : { body }),
    signal: AbortSignal.timeout(REQUEST_DEADLINE),
  });
}

function toLayer(archive: Uint8Array<ArrayBuffer>): Layer {
  return { ...toBlob(Bun.gzipSync(archive, { level: 1 })), diffId: digestOf(archive) };
}

function toBlob(content: Uint8Array<ArrayBuffer> | string): Blob {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { bytes, digest: digestOf(bytes) };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}
