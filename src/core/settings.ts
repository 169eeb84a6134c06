/** What a service says under `x-deployer` in the compose file, with the defaults filled in. */
export type Settings = {
  strategy: "auto" | Strategy;
  /** TCP port that is asked; undefined: the only one the container exposes. */
  port: number | undefined;
  health: HealthRequest | undefined;
  /** How long the gate waits; undefined: as long as the container's HEALTHCHECK may take, at least a minute. */
  timeoutMs: number | undefined;
  /** How long the new version is watched after the switch; 0: not at all. */
  watchMs: number;
  /** Commands that run in one-off containers of the new image before anything is replaced, one after the other. */
  before: string[][];
  /** Runs in a container that serves before it is stopped for a newer one. */
  drainCommand: string[] | undefined;
  /** Other repositories that the service may run images of. */
  images: string[];
  /** Old and new containers may write to the same mounts at the same time. */
  sharedVolumes: boolean;
  /** Where requests come from that it is to answer, by the edge; empty: it is not behind it. */
  routes: Route[];
  /** How long sessions that an old container still has may go on before it is stopped. */
  drainMs: number;
  /** How long one request is held at most while the only container is replaced; 0: not at all. */
  holdMs: number;
  /** How many requests are held at most. */
  holdMax: number;
  /**
   * Which requests may be sent again, to another container, when the connection broke before an answer. `all`: of every
   * method, for the service tells repeated requests apart itself.
   */
  resend: "idempotent" | "all";
};

/** Requests for this host whose path is `path` or goes on below it. */
export type Route = {
  /** In lower case, `*.` at its beginning stands for every name below the rest; undefined: any host. */
  host: string | undefined;
  /** Begins with a slash. */
  path: string;
};

/** `recreate`: the old containers stop before the new ones start. `rolling`: the other way round. */
export type Strategy = "rolling" | "recreate";

/** An HTTP request to the container itself. Redirects are not followed. */
export type HealthRequest = {
  /** With its query. */
  path: string;
  /** `Host` header; undefined: address and port. */
  host: string | undefined;
  headers: Readonly<Record<string, string>>;
  /** Statuses that pass, both ends included. */
  status: { from: number; to: number };
};

export const DEFAULT_SETTINGS: Settings = {
  strategy: "auto",
  port: undefined,
  health: undefined,
  timeoutMs: undefined,
  watchMs: 10_000,
  before: [],
  drainCommand: undefined,
  images: [],
  sharedVolumes: false,
  routes: [],
  drainMs: 30_000,
  holdMs: 30_000,
  holdMax: 2_000,
  resend: "idempotent",
};
