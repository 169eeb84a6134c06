import { type Deployment, nameOf } from "./deployment.ts";
import type { Ports } from "./ports.ts";
import type { Phase } from "./history.ts";

type Teller = Pick<Ports, "journal">;

/** What a line of the log says of a deployment. */
export function fieldsOf(deployment: Deployment): Record<string, unknown> {
  const [part, ...others] = deployment.parts;
  const image = others.length === 0 ? { image: part?.image ?? null } : {};
  return { deployment: deployment.id, service: nameOf(deployment), ...image };
}

/** Tells the steps of one deployment that go well. */
export function storyOf({ id }: Deployment, { journal }: Teller): (phase: Phase, text: string) => void {
  return (phase, text) => journal.event(id, phase, "info", text);
}

export function tellAccepted(deployment: Deployment, { journal }: Teller): void {
  const how = deployment.force ? ", also if nothing has changed" : "";
  journal.event(
    deployment.id,
    "accepted",
    "info",
    `${deployment.issuer} asks for ${wishOf(deployment)}${how}`,
  );
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

/** `web:v2 on web, worker`; each image once, with the services that are to run it. */
function wishOf({ kind, parts, to }: Deployment): string {
  if (kind === "rollback") return `${versionOf(to)} of ${nameOf({ parts })}`;
  return [...Map.groupBy(parts, ({ image }) => image)]
    .map(([image = "the image of the compose file", parts]) => `${image} on ${nameOf({ parts })}`)
    .join(", ");
}

function versionOf(deployment: string | undefined): string {
  return deployment === undefined
    ? "the version before the running one"
    : `the version of deployment ${deployment}`;
}
