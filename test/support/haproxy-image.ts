import { busyboxFiles } from "./busybox.ts";
import { haproxyArchive } from "./haproxy-files.ts";
import { type Layer, type Published, pushImage, toLayer } from "./push-image.ts";
import type { Registry } from "./registry.ts";
import { tar } from "./tar.ts";

/** One image of HAProxy to publish. */
export type HaproxyImage = {
  repository: string;
  tag: string;
  /** Images of different variants differ in a layer and a label, so in digest and id: as a newer build would. */
  variant?: string;
};

/** As in the official image: `docker run IMAGE -f FILE` is `haproxy -W -db -f FILE`. */
const ENTRYPOINT = `#!/bin/sh
set -e
if [ "\${1#-}" != "$1" ]; then
  set -- haproxy "$@"
fi
if [ "$1" = haproxy ]; then
  shift
  set -- haproxy -W -db "$@"
fi
exec "$@"
`;

/**
 * Publishes a real HAProxy 3.0 with Lua and OpenSSL, laid out as the official image is: `haproxy` in PATH, an entry point
 * that adds `-W -db`, user 99, stopped by SIGUSR1 (which finishes what is open), a shell.
 */
export async function publishHaproxy(registry: Registry, image: HaproxyImage): Promise<Published> {
  const { repository, tag, variant = "1" } = image;
  const own = tar([{ path: "usr/local/etc/variant", mode: 0o644, content: variant }]);
  const layers = [...(await sharedLayers()), toLayer(own)];
  return await pushImage(registry, { repository, tag, layers, config: configOf(variant) });
}

let shared: Promise<readonly Layer[]> | undefined;

function sharedLayers(): Promise<readonly Layer[]> {
  shared ??= Promise.all([
    haproxyArchive().then((archive) => toLayer(archive, "shared")),
    surroundings().then((archive) => toLayer(archive, "shared")),
  ]);
  return shared;
}

async function surroundings(): Promise<Uint8Array<ArrayBuffer>> {
  return tar([
    ...(await busyboxFiles()),
    { path: "etc/", mode: 0o755, folder: true },
    { path: "etc/passwd", mode: 0o644, content: "root:x:0:0:root:/:/bin/sh\nhaproxy:x:99:99::/:/bin/sh\n" },
    { path: "etc/group", mode: 0o644, content: "root:x:0:\nhaproxy:x:99:\n" },
    { path: "tmp/", mode: 0o1777, folder: true },
    { path: "usr/local/bin/", mode: 0o755, folder: true },
    { path: "usr/local/bin/docker-entrypoint.sh", mode: 0o755, content: ENTRYPOINT },
    { path: "usr/local/etc/haproxy/", mode: 0o755, folder: true },
    { path: "var/lib/haproxy/", mode: 0o755, folder: true },
  ]);
}

function configOf(variant: string): Record<string, unknown> {
  return {
    Cmd: ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"],
    Entrypoint: ["docker-entrypoint.sh"],
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    Labels: { variant },
    StopSignal: "SIGUSR1",
    User: "99",
    WorkingDir: "/var/lib/haproxy",
  };
}
