import type { Traffic } from "./edge.ts";
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

/** A service of a deployment and the image it is brought to. */
export type Part = {
  service: string;
  /** The image the caller asked for; undefined: the one the compose file names, or that of the version gone back to. */
  image: string | undefined;
  /** `sha256:…` of what was rolled out, once resolved. */
  digest: string | undefined;
  /** `sha256:…` of what the service was pinned to when its turn came; absent when it was pinned to nothing. */
  from?: string;
  /** What visitors noticed, of a service behind the edge, once it has ended. */
  traffic?: DeploymentTraffic;
};

/** `sinceRestart`: the daemon was killed in the middle, and what came before it ran again is not in the numbers. */
export type DeploymentTraffic = Traffic & { sinceRestart?: true };

/** One recorded attempt to bring one service, or several as one, to an image. */
export type Deployment = {
  id: string;
  /** `rollback`: to a version that a deployment committed earlier, image and configuration. */
  kind: "deploy" | "rollback";
  /** At least one, no service twice. */
  parts: readonly Part[];
  /** Of a rollback: the deployment whose version is wanted; undefined: the version before the one that runs. */
  to: string | undefined;
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
  /** What failed containers left behind, gathered before they were removed. */
  diagnoses: readonly Diagnosis[];
  /** Id of the one that took its place. */
  supersededBy: string | undefined;
  /** How often it was begun: a daemon that was killed before the switch begins it again. */
  attempts: number;
  /** Milliseconds since the epoch. */
  createdAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
};

/** What a container that failed left behind. */
export type Diagnosis = {
  service: string;
  /** Its id, as `docker ps` shows it. */
  container: string;
  /** Undefined while it runs. */
  exitCode: number | undefined;
  /** Name of the signal that ended it (exit codes above 128), `SIGKILL`. */
  signal: string | undefined;
  oomKilled: boolean;
  restarts: number;
  /** What its last health check had to say: the output of HEALTHCHECK, or the HTTP status seen. */
  health: string | undefined;
  /** Its last lines, without control characters, oldest first. */
  output: readonly string[];
};

/** What the end of a deployment adds to its record. */
export type Outcome = {
  status: EndStatus;
  /** By service, as far as they were resolved. */
  digests: ReadonlyMap<string, string>;
  diagnoses: readonly Diagnosis[];
  reason: string;
  code: ErrorCode | undefined;
  changed: boolean;
};

/** A deployment as it is accepted. */
export function accept(id: string, request: DeploymentRequest, issuer: string, now: number): Deployment {
  return {
    id,
    kind: request.kind,
    parts: request.parts.map(({ service, image }) => ({ service, image, digest: undefined })),
    to: request.to,
    force: request.force,
    issuer,
    status: "queued",
    reason: "",
    code: undefined,
    changed: undefined,
    diagnoses: [],
    supersededBy: undefined,
    attempts: 0,
    createdAt: now,
    startedAt: undefined,
    endedAt: undefined,
  };
}

/** What is wanted, before it is a deployment. */
export type DeploymentRequest = Pick<Deployment, "kind" | "to" | "force"> & {
  parts: readonly { service: string; image: string | undefined }[];
};

/** The services it is about. */
export function servicesOf({ parts }: Pick<DeploymentRequest, "parts">): string[] {
  return parts.map(({ service }) => service);
}

/** `web`, or `web, worker`. */
export function nameOf(deployment: Pick<DeploymentRequest, "parts">): string {
  return servicesOf(deployment).join(", ");
}

const MOVES: Record<DeploymentStatus, readonly DeploymentStatus[]> = {
  queued: ["running", "failed", "superseded"],
  running: ["running", "succeeded", "failed", "rolled_back", "rollback_failed"],
  succeeded: [],
  failed: [],
  rolled_back: [],
  rollback_failed: [],
  superseded: [],
};

export function hasEnded(deployment: Pick<Deployment, "status">): boolean {
  return MOVES[deployment.status].length === 0;
}

/**
 * `queued` -> `running`, or once more after the daemon was killed.
 * @param pinned digests by service, as they are before it does anything
 */
export function begin(
  deployment: Deployment,
  now: number,
  pinned: ReadonlyMap<string, string> = new Map(),
): Deployment {
  const isFirst = deployment.startedAt === undefined;
  return {
    ...move(deployment, "running"),
    parts: isFirst
      ? deployment.parts.map((part) => withFrom(part, pinned.get(part.service)))
      : deployment.parts,
    startedAt: deployment.startedAt ?? now,
    attempts: deployment.attempts + 1,
  };
}

function withFrom(part: Part, from: string | undefined): Part {
  return from === undefined ? part : { ...part, from };
}

/** To its end; an illegal move is a bug and throws. */
export function end(
  deployment: Deployment,
  { digests, ...outcome }: Outcome,
  now: number,
  traffic: ReadonlyMap<string, DeploymentTraffic> = new Map(),
): Deployment {
  const parts = deployment.parts.map((part) => {
    const counted = traffic.get(part.service);
    return {
      ...part,
      digest: digests.get(part.service) ?? part.digest,
      ...(counted === undefined ? {} : { traffic: counted }),
    };
  });
  return { ...move(deployment, outcome.status), ...outcome, parts, endedAt: now };
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
