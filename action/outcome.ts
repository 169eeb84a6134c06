import type { DeploymentAnswer } from "../src/client/answers.ts";
import type { ClientError } from "../src/client/client-error.ts";
import { EXIT, exitCodeOf, exitCodeOfError } from "../src/client/exit-codes.ts";
import { inert } from "./inert.ts";

/** What the step makes of it. */
export type Outcome = {
  /** That of the command line: 0 succeeded, 1 failed, 2 usage, 3 rolled back, 4 came too late, 5 rollback failed, 6 not authorized, 7 unreachable, or still under way. */
  exitCode: number;
  /** Of the annotation; undefined: there is nothing to point out. */
  level: "error" | "warning" | undefined;
  /** In a few words. */
  title: string;
  /** Why, in one paragraph for people; somebody else's words. */
  reason: string;
};

/** A run whose place a newer one took while it waited has nothing to be ashamed of: what it was for is done by that one. */
export function outcomeOf({ status, reason, changed }: DeploymentAnswer): Outcome {
  const exitCode = exitCodeOf({ status });
  switch (status) {
    case "succeeded":
      return {
        exitCode,
        level: undefined,
        title: changed === false ? "succeeded, nothing had changed" : status,
        reason,
      };
    case "superseded":
      return { exitCode: EXIT.succeeded, level: "warning", title: status, reason };
    case "rollback_failed":
      return { exitCode, level: "error", title: "rollback failed, a person is needed", reason };
    case "failed":
      return { exitCode, level: "error", title: "failed, nothing was touched", reason };
    case "rolled_back":
      return { exitCode, level: "error", title: "rolled back", reason };
    case "queued":
    case "running":
      return { exitCode, level: "error", title: `still ${status}`, reason };
    default:
      return status satisfies never;
  }
}

/** Nothing was begun, or it is not known how it ended. */
export function outcomeOfError(error: ClientError): Outcome {
  const exitCode = exitCodeOfError(error);
  return { exitCode, level: "error", title: TITLES[exitCode] ?? "refused", reason: error.message };
}

/** Who waits no longer learns where the end will be told. */
export function outcomeOfPatience(id: string | undefined, why: string): Outcome {
  const reason =
    id === undefined
      ? `${why}; whether the request was accepted is not known: "deployer-service history" on the host tells`
      : `${why}; deployment ${id} goes on all the same: "deployer-service logs ${id} -f" on the host follows it`;
  return { exitCode: EXIT.unreachable, level: "error", title: "waited long enough", reason };
}

/** `web, worker: rolled back` */
export function headingOf(services: readonly string[], { title }: Outcome): string {
  return inert([services.join(", "), title].filter((part) => part !== "").join(": "));
}

const TITLES: Readonly<Record<number, string>> = {
  [EXIT.superseded]: "too late, a newer run was there before",
  [EXIT.notAuthorized]: "not authorized",
  [EXIT.unreachable]: "no answer",
};
