import type { Deployment, DeploymentStatus } from "./deployment.ts";

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
}

/** What a list tells of a deployment. */
export type DeploymentSummary = Omit<Deployment, "diagnoses">;

/** Which deployments to list, newest first. */
export type DeploymentQuery = {
  /** Those that one of their services is. */
  service: string | undefined;
  status: DeploymentStatus | undefined;
  /** Only those older than this one, which need not be there any more. */
  before: { createdAt: number; id: string } | undefined;
  limit: number;
};

/** What reads one deployment until `expiresAt` (milliseconds since the epoch), known by its hash only. */
export type ReadKey = { hash: string; deployment: string; expiresAt: number };

/** What has happened, kept for people; nothing is decided by it. */
export interface History {
  list(query: DeploymentQuery): DeploymentSummary[];
  /** Appends to the deployment's events. */
  addEvent(deployment: string, event: Omit<DeploymentEvent, "seq">): void;
  /** At most `limit` events with a number above `after`, in order. */
  events(deployment: string, after: number, limit: number): DeploymentEvent[];
  saveReadKey(key: ReadKey): void;
  readKey(hash: string): ReadKey | undefined;
  dropExpiredReadKeys(now: number): void;
  /**
   * Removes up to `batch` deployments with their events, oldest first: those created before `createdBefore`, and those
   * beyond the `keep` newest; never an unfinished one or that of a pin or a version.
   * @returns how many are gone
   */
  prune(limits: { createdBefore: number; keep: number; batch: number }): number;
}
