import type { Measurement } from "../core/edge.ts";

/** What the container of the proxy needs to be; whenever this differs from what runs, a new one takes over from it. */
export type ProxySpec = {
  /** The compose project. */
  project: string;
  /** Undefined: ours. */
  image: string | undefined;
  /** Folder of the host that the proxy finds, read-only, at `PROXY_FOLDER`: configuration, scripts, certificates. */
  folder: string;
  /** Folder of the host that it finds, read-only, at `CHALLENGES_FOLDER`. */
  challenges: string | undefined;
  /** Those of the host that it is to listen on. */
  ports: readonly EdgePort[];
};

/** A port of the host, and its key under `x-deployer.edge`. */
export type EdgePort = { key: "http" | "https"; port: number };

/** A proxy that accepts connections. */
export type RunningProxy = {
  /** Folder of the host with its `master.sock` and `admin.sock`; the proxy finds it where `RUN_DIR` of its environment says. */
  runDir: string;
  /** Those of earlier ones, which accept nothing new and end with their last connection. */
  earlier: readonly string[];
};

/**
 * The container that the proxy runs in, its network, its image. Failures are `edge` errors.
 *
 * It is run as `haproxy -W -db -S $RUN_DIR/master.sock,mode,600,uid,<uid>,gid,<gid> -x <earlier>/admin.sock -f
 * /edge/haproxy.cfg` in the network of the host, with RUN_DIR in its environment.
 */
export interface Proxy {
  /**
   * Brings network, image and container to what is wanted; resolves when the proxy answers on its sockets. A container
   * that fits is left alone, one that does not is replaced without losing a request.
   */
  ensure(spec: ProxySpec): Promise<RunningProxy>;
  /**
   * Finds the newest proxy there is, and starts it if it does not run, whatever is wanted by now: no image is asked for, and
   * none replaced. Only without any it is as `ensure`.
   */
  rejoin(spec: ProxySpec): Promise<RunningProxy>;
  /** Whether a project has a proxy, running or not. */
  isThere(project: string): Promise<boolean>;
  /** Throws when something else listens on one of these ports, and says what, where that can be told. For ports that are new to a proxy that runs. */
  assertFree(ports: readonly EdgePort[]): Promise<void>;
  /** Throws when the image of `spec` is neither on this host nor, as its registry says, to be had. Nothing is fetched. */
  assertImage(spec: ProxySpec): Promise<void>;
  /** Removes the container and its network. Nothing there is success. */
  remove(project: string): Promise<void>;
  /**
   * What `haproxy -c -f <PROXY_FOLDER>/<file>` says against a file in `spec.folder`, run in the image that `spec` names
   * with RUN_DIR set; undefined when it is good.
   */
  validate(spec: ProxySpec, file: string): Promise<string | undefined>;
  /**
   * The address of a container in the network of the edge, which it keeps over restarts. It is attached if it is not, with the
   * first address from the `next`th on that no container has, stopped ones included.
   * @param inUse addresses that the proxy still sends requests to
   * @returns also the `next` to go on with, so that an address is not soon used again
   */
  addressOf(
    project: string,
    container: string,
    next: number,
    inUse?: ReadonlySet<string>,
  ): Promise<{ /** IPv4. */ address: string; next: number }>;
  /** Counts the requests of services from now on, from the log of the proxies; `runDir()` changes with the container. */
  measure(runDir: () => string, services: readonly string[]): Promise<Measurement>;
}

/** Where the proxy finds `ProxySpec.folder`, and its configuration in it. */
export const PROXY_FOLDER = "/edge";
export const CONFIG_FILE = "haproxy.cfg";
/** Where the proxy finds `ProxySpec.challenges`. */
export const CHALLENGES_FOLDER = "/challenges";

/** The ring that the proxy logs requests to: `show events deploys -w` on its `admin.sock`. Each worker has its own. */
export const LOG_RING = "deploys";

/**
 * One line for each request, when it has ended; all other lines of the ring are HAProxy's own:
 *
 * `req <backend> <server> <status> <Tw> <Tc> <Tr> <retries> <termination> <hold> <waited>`
 *
 * - backend: the service; one of ours has a colon in its name
 * - server: `<container id>.<port>`, `.standby` after it when it was a standby; `<NOSRV>` when it reached none
 * - status: the one that was sent; -1 when none was
 * - Tw, Tc, Tr: milliseconds in the queue, connecting, until the answer began; -1 is for a stage that was not reached, so one of
 *   them -1: no answer of the service's own
 * - retries: a `+` before it: the last one went to another server
 * - termination: two letters as in section 8.5 of HAProxy's configuration manual: `--` is well; the first one C: the visitor went away
 * - hold: `held`, `refused` (it got a 503 for a limit of the hold), `-`
 * - waited: the milliseconds it was held, in none of the other times; `-` when it was not. With Tw, Tc and Tr it is how long
 *   the service kept its visitor waiting
 */
export const LOG_FORMAT = "req %b %s %ST %Tw %Tc %Tr %rc %ts %[var(txn.hold)] %[var(txn.waited)]";
