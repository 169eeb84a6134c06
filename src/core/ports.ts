import type { Compose } from "./compose.ts";
import type { Edge } from "./edge.ts";
import type { Engine, Registry } from "./engine.ts";
import type { Journal } from "./history.ts";
import type { HealthRequest } from "./settings.ts";
import type { Store } from "./store.ts";

/** Structured log. `fields` must be free of secrets; the adapter writes one JSON object a line. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  fatal(message: string, fields?: Record<string, unknown>): void;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `milliseconds`, rejects with the signal's reason when it aborts first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** HTTP to a container, for its health. */
export interface Probe {
  /**
   * The status of one GET request. No redirect is followed, no proxy used, the body is dropped.
   * Errors: `rollout`, saying what happened instead of an answer: refused, reset, no answer in time, not HTTP.
   */
  status(
    address: string,
    port: number,
    request: Pick<HealthRequest, "path" | "host" | "headers">,
    deadlineMs: number,
  ): Promise<number>;
}

/** The disks of this host. */
export interface Disk {
  /** Free bytes where this path is, undefined when that cannot be seen from here. */
  free(path: string): number | undefined;
  /** All bytes there are where this path is, likewise. */
  size(path: string): number | undefined;
}

/** What a deployment works with. */
export type Ports = {
  engine: Engine;
  probe: Probe;
  disk: Disk;
  compose: Compose;
  registry: Registry;
  edge: Edge;
  store: Store;
  journal: Journal;
  clock: Clock;
  log: Log;
  inTurn: InTurn;
};

/** Runs a task when all earlier ones for the same service have ended. Tasks of different services overlap. */
export type InTurn = <T>(service: string, task: () => Promise<T>) => Promise<T>;
