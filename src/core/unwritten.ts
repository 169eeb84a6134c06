import { type Deployment, hasEnded } from "./deployment.ts";
import { DeployerError } from "./errors.ts";

/** How far it has come is known to this process only, yet. */
export function unwritten({ id, status, reason }: Deployment, cause?: unknown): DeployerError {
  const how = hasEnded({ status })
    ? `ended as ${[status, reason].filter((part) => part !== "").join(": ")}`
    : "goes on";
  return notWritten(
    `deployment ${id} ${how}, which GET /deployments/${id} tells as soon as it is written`,
    cause,
  );
}

export function notWritten(what: string, cause: unknown): DeployerError {
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  const message = `STATE_DIR cannot be written to${why}: free some space on its disk; ${what}`;
  return new DeployerError("internal", message, { cause });
}
