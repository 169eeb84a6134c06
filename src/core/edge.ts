import type { EdgeSettings } from "./edge-settings.ts";
import type { Route } from "./settings.ts";

/** What the compose file wants in front of its services. */
export type Frontage = {
  /** The compose project. */
  project: string;
  settings: EdgeSettings;
  /** By service; only those that have any. */
  routes: ReadonlyMap<string, readonly Route[]>;
  /** Those of these services whose requests may be sent again whatever their method, see `Settings.resend`. */
  resendAll: ReadonlySet<string>;
};

/** Where a container answers. */
export type Server = { container: string; port: number };

/** Which containers get the requests of a service. */
export type Direction = {
  serving: readonly Server[];
  /** Warm: one of them gets a request only when none of `serving` can be reached. */
  standby: readonly Server[];
};

/** What a hold did to the requests of its service. */
export type Held = {
  /** Those that waited. */
  held: number;
  /** Those that got a 503: too many waited already, or they had waited too long. */
  refused: number;
};

/** The requests of a service within some time, as the proxy counted them. */
export type Traffic = Held & {
  requests: number;
  /** Those that got no answer of the service's own: the proxy answered in its place, or the answer was cut. A visitor who goes away is none. */
  failed: number;
  /** Those that were sent a second time, to another container most likely. */
  retried: number;
  /** Milliseconds until an answer began, waiting included; undefined without an answer. */
  latency: { p50: number; p90: number; p99: number; max: number } | undefined;
};

/** A container as the proxy sees it. */
export type ServerState = Server & {
  address: string;
  /** `standby` and `draining` ones get no new requests; `down`: the proxy cannot reach it. */
  state: "serving" | "standby" | "draining" | "down";
  sessions: number;
};

export type Measurement = {
  /** By service, of those that were asked for. It never throws: what could not be counted is not there. */
  stop(): Promise<ReadonlyMap<string, Traffic>>;
};

/**
 * The proxy in front of the services that have routes. It lives on without this program, which tells it what changes and
 * waits for its word. Every failure is an `edge` error.
 */
export interface Edge {
  /**
   * Brings the proxy to what the compose file says: network, container, image, ports, routes, certificates; without
   * `wanted` it goes. What is so already is left alone, and a change loses no request. What cannot be used is refused before
   * anything is changed.
   * @param running where services answer whose first route this is: with the route, not after it
   */
  apply(wanted: Frontage | undefined, running?: ReadonlyMap<string, Direction>): Promise<void>;
  /** Brings the proxy to what was applied last: it may have been taken away, or certificates renewed. Nothing was: nothing is done. */
  reapply(): Promise<void>;
  /**
   * Finds the proxy that runs, after a kill: a daemon that brought another one may not have come to write down which. It is
   * started if it does not run, and never replaced: a service may be down meanwhile. Nothing was applied: nothing is done.
   */
  rejoin(): Promise<void>;
  /** What was applied last; undefined: nothing, or it was removed since. */
  frontage(): Frontage | undefined;
  /**
   * All that is wrong with what is wanted, as far as it shows without changing or fetching anything: certificates that cannot be
   * used or have expired, ports that something else has, an image that is nowhere. Texts for people.
   */
  judge(wanted: Frontage): Promise<string[]>;
  /** The part of `apply` that takes time and changes nothing: the image is brought, the configuration judged. */
  prepare(wanted: Frontage): Promise<void>;
  /** Whether the files of the certificates are others than at the last `apply`, which takes them up. */
  certificatesChanged(): boolean;
  /** Whether requests for this service come through the proxy, as it was last applied. */
  isRouted(service: string): boolean;
  /** Where the requests of a service were last sent; empty before the first time. */
  direction(service: string): Direction;
  /**
   * From now on the requests of a service go to these, each of which gets an address of its own that it keeps over restarts.
   * Others get no new one; what they have begun goes on. Resolves when the proxy itself has reached every one of `serving`;
   * until then, and when it cannot, nothing is taken from those that served. A proxy that starts anew does the same.
   * Without routes it does nothing.
   * @param enough `one`: of several that serve already, one that cannot be reached keeps no request from the others. It
   * gets its share as soon as the proxy reaches it
   */
  direct(service: string, to: Direction, enough?: "all" | "one"): Promise<void>;
  /** Waits until no session is left on these containers, also of earlier configurations. @returns how many are, in the end */
  drained(service: string, containers: readonly string[], withinMs: number): Promise<number>;
  /** New requests of a service wait in the proxy, each so long and so many at a time; beyond that they get a 503. */
  hold(service: string, limits: { ms: number; max: number }): Promise<void>;
  /** Those that wait go on. Nothing held is success. */
  release(service: string): Promise<Held>;
  /** Counts the requests of services from now on. */
  measure(services: readonly string[]): Promise<Measurement>;
  /** What is wrong with the proxy; undefined when it answers, and when there is none to be. */
  problem(): Promise<string | undefined>;
  /** The containers of a service as the proxy sees them. */
  servers(service: string): Promise<ServerState[]>;
}
