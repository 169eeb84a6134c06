import type { ClientError } from "./client-error.ts";
import type { DeploymentStatus } from "../core/deployment.ts";

export const EXIT = {
  succeeded: 0,
  failed: 1,
  usage: 2,
  rolledBack: 3,
  superseded: 4,
  rollbackFailed: 5,
  notAuthorized: 6,
  unreachable: 7,
} as const;

const BY_STATUS: Record<DeploymentStatus, number> = {
  succeeded: EXIT.succeeded,
  failed: EXIT.failed,
  rolled_back: EXIT.rolledBack,
  superseded: EXIT.superseded,
  rollback_failed: EXIT.rollbackFailed,
  // Somebody stopped listening before its end.
  queued: EXIT.unreachable,
  running: EXIT.unreachable,
};

export function exitCodeOf({ status }: { status: DeploymentStatus }): number {
  return BY_STATUS[status];
}

/** Of several deployments the one that needs a person most. */
export function worstExitCode(codes: readonly number[]): number {
  const order: readonly number[] = [
    EXIT.rollbackFailed,
    EXIT.failed,
    EXIT.rolledBack,
    EXIT.superseded,
    EXIT.unreachable,
  ];
  return order.find((code) => codes.includes(code)) ?? EXIT.succeeded;
}

export function exitCodeOfError({ code }: ClientError): number {
  switch (code) {
    case "unauthorized":
    case "forbidden":
      return EXIT.notAuthorized;
    case "unreachable":
      return EXIT.unreachable;
    case "superseded":
      return EXIT.superseded;
    default:
      return EXIT.failed;
  }
}
