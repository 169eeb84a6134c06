/** Every way an operation can fail. HTTP statuses are mapped from these in one place, http/reply.ts. */
export type ErrorCode =
  | "config" // the environment or a file it names cannot be used; the daemon does not start
  | "invalid" // the request makes no sense
  | "unauthorized" // no token, or one that is not accepted; the message is for the log only
  | "forbidden" // a good token, whose rule does not cover this; the message is for the log only
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "superseded" // a newer request took its place
  | "too_large"
  | "not_deployable" // understood, but this service or image may not be deployed
  | "queue_full"
  | "shutting_down"
  | "compose_file" // the compose file is missing or broken
  | "docker" // Docker or Compose cannot be reached or refused
  | "registry_denied" // the registry refused the credential
  | "image_not_found" // the registry answered: no such image
  | "registry_unavailable" // network, 5xx, 429: worth another try
  | "wrong_platform" // the image is not for this host
  | "disk_full" // the image does not fit
  | "before" // a command that had to run before the rollout failed
  | "unhealthy" // the candidate did not pass the gate, or failed while it was watched
  | "edge" // the proxy in front cannot be reached, or cannot do what is wanted of it
  | "rollout" // the candidate could not be created, started, or did not stay up
  | "interrupted" // the daemon stopped before the deployment could end
  | "internal";

/** The one error class: a code to act on, a message fit for the caller, the cause for the log. */
export class DeployerError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "DeployerError";
    this.code = code;
  }
}

/** The code of any thrown value; what is not ours is `internal`. */
export function errorCode(error: unknown): ErrorCode {
  return error instanceof DeployerError ? error.code : "internal";
}

/** What a caller may read of any thrown value. A stranger's message may hold anything, so it stays in the log. */
export function publicMessage(error: unknown): string {
  return error instanceof DeployerError ? error.message : "internal error";
}
