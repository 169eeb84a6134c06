import type { Scope } from "./caller.ts";
import type { Deployment, DeploymentStatus } from "./deployment.ts";
import type { PullProgress } from "./engine.ts";
import type { Rejection } from "./rejection.ts";

/** Which step of a deployment an event is about; `log` is what is said beside the steps. */
export type Phase =
  | "accepted"
  | "started"
  | "resolved"
  | "pulled"
  | "preflight"
  | "unchanged"
  | "dependencies"
  | "strategy"
  | "before"
  | "creating"
  | "gating"
  | "switching"
  | "edge"
  | "watching"
  | "committed"
  | "draining"
  | "removed"
  | "going_back"
  | "diagnosis"
  | "output"
  | "ended"
  | "log";

export type DeploymentEvent = {
  /** 1, 2, 3 … within its deployment. */
  seq: number;
  /** Milliseconds since the epoch. */
  at: number;
  phase: Phase;
  level: "info" | "warn" | "error";
  /** One line for people, free of secrets. */
  text: string;
};

/** The story of a deployment, told to people while it happens. It never throws: what cannot be told is done all the same. */
export interface Journal {
  event(deployment: string, phase: Phase, level: DeploymentEvent["level"], text: string): void;
  /** How far the pull of an image has come, undefined when it is over: shown to whoever looks now, kept nowhere. */
  pulling(deployment: string, image: string, progress: PullProgress | undefined): void;
}

/** A pull under way, of the image with this name. */
export type Pull = PullProgress & { image: string };

/** What a list tells of a deployment. */
export type DeploymentSummary = Omit<Deployment, "diagnoses">;

/** Which deployments to list, newest first. */
export type DeploymentQuery = {
  /** Those that one of their services is. */
  service: string | undefined;
  status: DeploymentStatus | undefined;
  /** Only those all of whose services are among these. */
  readable: Scope;
  /** Only those older than this one, which need not be there any more. */
  before: { createdAt: number; id: string } | undefined;
  limit: number;
};

/** What reads one deployment until `expiresAt` (milliseconds since the epoch), known by its hash only. */
export type ReadKey = {
  hash: string;
  deployment: string;
  /** Whether it shows what containers printed. */
  output: boolean;
  expiresAt: number;
};

/** So many at a time read one deployment: whoever repeats a request has another one by each answer. */
export const MOST_READ_KEYS = 1_000;

/** What has happened, kept for people; nothing is decided by it. */
export interface History {
  list(query: DeploymentQuery): DeploymentSummary[];
  /** Appends to the deployment's events. */
  addEvent(deployment: string, event: Omit<DeploymentEvent, "seq">): void;
  /** At most `limit` events with a number above `after`, in order. */
  events(deployment: string, after: number, limit: number): DeploymentEvent[];
  /** @returns false when its deployment has `MOST_READ_KEYS` already, and the key is not kept */
  saveReadKey(key: ReadKey): boolean;
  readKey(hash: string): ReadKey | undefined;
  dropExpiredReadKeys(now: number): void;
  /** One after the other, in one transaction; of all only the last ones stay. */
  addRejections(rejections: readonly Rejection[]): void;
  /** The last ones, newest first. */
  rejections(limit: number): Rejection[];
  /**
   * Removes up to `batch` deployments with their events, oldest first: those created before `createdBefore`, and those
   * beyond the `keep` newest; never an unfinished one or that of a pin or a version.
   * @returns how many are gone
   */
  prune(limits: { createdBefore: number; keep: number; batch: number }): number;
}
