import { DeployerError, type ErrorCode } from "./errors.ts";

export const STATUSES = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "rolled_back",
  "rollback_failed",
  "superseded",
] as const;

export type DeploymentStatus = (typeof STATUSES)[number];

/**
 * How a deployment ended.
 * - `failed`: nothing that serves was touched
 * - `rolled_back`: the switch was undone, the version from before serves again
 * - `rollback_failed`: a person is needed
 * - `superseded`: it never began, a newer one took its place in the queue
 */
export type EndStatus = Exclude<DeploymentStatus, "queued" | "running">;

/** One recorded attempt to bring a service to an image. */
export type Deployment = {
  id: string;
  service: string;
  /** The image the caller asked for; undefined: the one the compose file names. */
  image: string | undefined;
  /** Roll out even when nothing changed. */
  force: boolean;
  /** `iss` of the token that asked for it. */
  issuer: string;
  status: DeploymentStatus;
  /** One paragraph for people: why it failed and what serves now. Empty while it runs and after plain success. */
  reason: string;
  /** The error code behind `reason`, undefined unless it failed. */
  code: ErrorCode | undefined;
  /** Whether containers were replaced; undefined until it has ended. */
  changed: boolean | undefined;
  /** `sha256:…` of what was rolled out, once resolved. */
  digest: string | undefined;
  /** Id of the one that took its place. */
  supersededBy: string | undefined;
  /** Milliseconds since the epoch. */
  createdAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
};

/** What the end of a deployment adds to its record. */
export type Outcome = {
  status: EndStatus;
  digest: string | undefined;
  reason: string;
  code: ErrorCode | undefined;
  changed: boolean;
};

/** A deployment as it is accepted. */
export function accept(
  id: string,
  request: { service: string; image: string | undefined; force: boolean },
  issuer: string,
  now: number,
): Deployment {
  return {
    id,
    service: request.service,
    image: request.image,
    force: request.force,
    issuer,
    status: "queued",
    reason: "",
    code: undefined,
    changed: undefined,
    digest: undefined,
    supersededBy: undefined,
    createdAt: now,
    startedAt: undefined,
    endedAt: undefined,
  };
}

const MOVES: Record<DeploymentStatus, readonly DeploymentStatus[]> = {
  queued: ["running", "failed", "superseded"],
  running: ["succeeded", "failed", "rolled_back", "rollback_failed"],
  succeeded: [],
  failed: [],
  rolled_back: [],
  rollback_failed: [],
  superseded: [],
};

export function hasEnded(deployment: Deployment): boolean {
  return MOVES[deployment.status].length === 0;
}

/** `queued` -> `running`. */
export function begin(deployment: Deployment, now: number): Deployment {
  return { ...move(deployment, "running"), startedAt: now };
}

/** To its end; an illegal move is a bug and throws. */
export function end(deployment: Deployment, outcome: Outcome, now: number): Deployment {
  return { ...move(deployment, outcome.status), ...outcome, endedAt: now };
}

/** `queued` -> `superseded`, by a newer deployment. */
export function supersede(deployment: Deployment, by: string, now: number): Deployment {
  return {
    ...move(deployment, "superseded"),
    reason: `superseded by ${by}`,
    code: "superseded",
    changed: false,
    supersededBy: by,
    endedAt: now,
  };
}

function move(deployment: Deployment, to: DeploymentStatus): Deployment {
  if (!MOVES[deployment.status].includes(to)) {
    throw new DeployerError(
      "internal",
      `deployment ${deployment.id} cannot go from ${deployment.status} to ${to}`,
    );
  }
  return { ...deployment, status: to };
}
