import { busyboxFiles } from "./busybox.ts";
import { randomBytes, tar } from "./tar.ts";

/** How one version of the test app behaves. Each setting is an `APP_…` variable of the image, so a compose file can set it too. */
export type AppBehaviour = {
  /** What `GET /` answers, and every log line names. */
  version: string;
  /** Prints a line on stderr and ends with this code, at once. */
  exitCode?: number;
  /** Serves, and ends with code 1 after so many seconds. */
  crashAfter?: number;
  /** Seconds before it listens. */
  startDelay?: number;
  ignoresTerm?: boolean;
  /** `GET /cgi-bin/health` answers 503 for so many seconds, then 200; by itself 200 from the beginning. */
  healthyAfter?: number | "never";
  /** It answers 503 from so many seconds on; `GET /` goes on as ever. */
  sickAfter?: number;
  /** Serves, and after so many seconds takes memory until it is killed for it. */
  allocateAfter?: number;
  /** Told to stop, it takes no new connection, and finishes what it has begun for so many seconds. */
  drainFor?: number;
};

const SCRIPT = `#!/bin/sh
version=$(cat /www/index.html)
echo "version $version starting"
if [ -n "$APP_EXIT_CODE" ]; then
  echo "version $version gives up" >&2
  exit "$APP_EXIT_CODE"
fi
if [ -n "$APP_IGNORE_TERM" ]; then
  trap '' TERM
else
  trap 'echo "version $version stopping"; kill $server; sleep "\${APP_DRAIN_FOR:-0}"; exit 0' TERM
fi
well='200 OK'
sick='503 Service Unavailable'
echo "$well" >/tmp/health
if [ -n "$APP_HEALTHY_AFTER" ]; then
  echo "$sick" >/tmp/health
  [ "$APP_HEALTHY_AFTER" = never ] || (sleep "$APP_HEALTHY_AFTER"; echo "$well" >/tmp/health) &
fi
if [ -n "$APP_SICK_AFTER" ]; then
  (sleep "$APP_SICK_AFTER"; echo "$sick" >/tmp/health) &
fi
if [ -n "$APP_START_DELAY" ]; then
  sleep "$APP_START_DELAY" &
  wait $!
fi
httpd -f -p "\${APP_PORT:-8080}" -h /www &
server=$!
echo "version $version serving"
if [ -n "$APP_CRASH_AFTER" ]; then
  sleep "$APP_CRASH_AFTER" &
  wait $!
  echo "version $version crashes" >&2
  exit 1
fi
if [ -n "$APP_ALLOCATE_AFTER" ]; then
  sleep "$APP_ALLOCATE_AFTER" &
  wait $!
  echo "version $version takes all memory" >&2
  all=0123456789abcdef
  while :; do all=$all$all; done
fi
wait "$server"
`;

const HEALTH_PAGE = `#!/bin/sh
status=$(cat /tmp/health)
printf 'Status: %s\\r\\nContent-Type: text/plain\\r\\n\\r\\n%s\\n' "$status" "$status"
`;

const ENVIRONMENT_PAGE = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec env
`;

/** The layer all versions share: BusyBox and the script that is process 1. */
export async function baseLayer(): Promise<Uint8Array<ArrayBuffer>> {
  return tar([
    ...(await busyboxFiles()),
    { path: "tmp/", mode: 0o1777, folder: true },
    { path: "etc/", mode: 0o755, folder: true },
    {
      path: "etc/passwd",
      mode: 0o644,
      content: "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    },
    { path: "app", mode: 0o755, content: SCRIPT },
    { path: "www/", mode: 0o755, folder: true },
    { path: "www/cgi-bin/", mode: 0o755, folder: true },
    { path: "www/cgi-bin/env", mode: 0o755, content: ENVIRONMENT_PAGE },
    { path: "www/cgi-bin/health", mode: 0o755, content: HEALTH_PAGE },
  ]);
}

/** The layer of one version: its page, and bytes that cannot be compressed if the layer has to be large. */
export function versionLayer(version: string, payloadBytes: number): Uint8Array<ArrayBuffer> {
  return tar([
    { path: "www/index.html", mode: 0o644, content: version },
    ...(payloadBytes > 0 ? [{ path: "payload", mode: 0o644, content: randomBytes(payloadBytes) }] : []),
  ]);
}

export function appEnvironment(behaviour: AppBehaviour): string[] {
  const settings = {
    APP_EXIT_CODE: behaviour.exitCode,
    APP_CRASH_AFTER: behaviour.crashAfter,
    APP_START_DELAY: behaviour.startDelay,
    APP_HEALTHY_AFTER: behaviour.healthyAfter,
    APP_SICK_AFTER: behaviour.sickAfter,
    APP_ALLOCATE_AFTER: behaviour.allocateAfter,
    APP_DRAIN_FOR: behaviour.drainFor,
    APP_IGNORE_TERM: behaviour.ignoresTerm === true ? "yes" : undefined,
  };
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value)}`);
}
