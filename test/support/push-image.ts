import type { Registry } from "./registry.ts";

/** What an image is made of. */
export type ImageParts = {
  repository: string;
  tag: string;
  layers: readonly Layer[];
  /** `config` of the OCI image configuration: Cmd, Env, User, Labels … */
  config: Readonly<Record<string, unknown>>;
  /** In Go's words; default: this machine's. Its programs are this machine's all the same. */
  architecture?: "amd64" | "arm64" | undefined;
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

export type Layer = Blob & { diffId: string; isShared: boolean };

const MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar";
const BLOB_TYPE = "application/octet-stream";
const SHARED_REPOSITORY = "shared-layers";
const CREATED = 201;
const REQUEST_DEADLINE = 30_000;

/**
 * `shared`: a large layer that many repositories have. It is uploaded once a registry, and they are given it from there; it
 * stays as it is, because on one machine compressing it takes longer than sending it.
 */
export function toLayer(archive: Uint8Array<ArrayBuffer>, shared?: "shared"): Layer {
  const isShared = shared !== undefined;
  const blob = toBlob(isShared ? archive : Bun.gzipSync(archive, { level: 1 }));
  return { ...blob, diffId: isShared ? blob.digest : digestOf(archive), isShared };
}

/**
 * Writes an image straight into a registry, as `docker push` would (Docker image manifest v2, schema 2), without an
 * engine. The same parts give the same digest.
 */
export async function pushImage(registry: Registry, parts: ImageParts): Promise<Published> {
  const config = toBlob(JSON.stringify(configOf(parts)));
  const manifest = toBlob(JSON.stringify(manifestOf(config, parts.layers)));
  for (const layer of parts.layers) {
    if (layer.isShared) await upload(registry, SHARED_REPOSITORY, layer);
    await upload(registry, parts.repository, layer, layer.isShared ? SHARED_REPOSITORY : undefined);
  }
  await upload(registry, parts.repository, config);
  const path = `/v2/${parts.repository}/manifests/${parts.tag}`;
  await send(registry, "PUT", path, manifest.bytes, MANIFEST_TYPE);
  return {
    reference: `${registry.address}/${parts.repository}:${parts.tag}`,
    digest: manifest.digest,
    imageId: config.digest,
  };
}

function configOf({ architecture, config, layers }: ImageParts): unknown {
  return {
    architecture: architecture ?? (process.arch === "arm64" ? "arm64" : "amd64"),
    os: "linux",
    created: "2026-01-01T00:00:00Z",
    config,
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(() => ({ created: "2026-01-01T00:00:00Z", created_by: "test app" })),
  };
}

function manifestOf(config: Blob, layers: readonly Layer[]): unknown {
  return {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, size: config.bytes.length, digest: config.digest },
    layers: layers.map(({ bytes, digest, isShared }) => ({
      mediaType: isShared ? LAYER_TYPE : `${LAYER_TYPE}.gzip`,
      size: bytes.length,
      digest,
    })),
  };
}

/** `from`: a repository of the registry that has it. */
async function upload(registry: Registry, repository: string, blob: Blob, from?: string): Promise<void> {
  const head = await request(registry, "HEAD", `/v2/${repository}/blobs/${blob.digest}`);
  if (head.ok) return;
  const mount = from === undefined ? "" : `?mount=${blob.digest}&from=${from}`;
  const session = await send(registry, "POST", `/v2/${repository}/blobs/uploads/${mount}`);
  if (session.status === CREATED) return;
  const location = new URL(session.headers.get("location") ?? "", registry.push.origin);
  location.searchParams.set("digest", blob.digest);
  await send(registry, "PUT", location.pathname + location.search, blob.bytes, BLOB_TYPE);
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

function toBlob(content: Uint8Array<ArrayBuffer> | string): Blob {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { bytes, digest: digestOf(bytes) };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}
