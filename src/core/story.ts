import type { Deployment } from "./deployment.ts";
import type { Ports } from "./ports.ts";
import type { Phase } from "./history.ts";

type Teller = Pick<Ports, "journal">;

/** Tells the steps of one deployment that go well. */
export function storyOf({ id }: Deployment, { journal }: Teller): (phase: Phase, text: string) => void {
  return (phase, text) => journal.event(id, phase, "info", text);
}

export function tellAccepted({ id, service, image, force, issuer }: Deployment, { journal }: Teller): void {
  const what = image ?? "the image of the compose file";
  const how = force ? ", also if nothing has changed" : "";
  journal.event(id, "accepted", "info", `${issuer} asks for ${what} on ${service}${how}`);
}

export function tellStarted({ id }: Deployment, { journal }: Teller): void {
  journal.event(id, "started", "info", "its turn has come");
}

/** It was accepted by an earlier run of the daemon. */
export function tellWaits({ id }: Deployment, { journal }: Teller): void {
  journal.event(id, "log", "info", "the daemon runs again, it still waits for its turn");
}

/** It was begun by an earlier run of the daemon. */
export function tellResumed({ id }: Deployment, { journal }: Teller): void {
  journal.event(id, "log", "warn", "the daemon stopped in the middle of it and runs again");
}

/** The last event of a deployment; call it when its end is in the store, so that whoever it wakes finds that there. */
export function tellEnd(
  id: string,
  { status, reason }: Pick<Deployment, "status" | "reason">,
  { journal }: Teller,
): void {
  const isGood = status === "succeeded" || status === "superseded";
  // "superseded by <id>" says it all.
  const text = status === "superseded" ? reason : [status, reason].filter((part) => part !== "").join(": ");
  journal.event(id, "ended", isGood ? "info" : "error", text);
}
