import type { Deployment } from "./deployment.ts";
import type { Phase, Ports } from "./ports.ts";

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

/** The last event of a deployment; call it when its end is in the store, so that whoever it wakes finds that there. */
export function tellEnd(
  id: string,
  { status, reason }: Pick<Deployment, "status" | "reason">,
  { journal }: Teller,
): void {
  const isGood = status === "succeeded";
  journal.event(id, "ended", isGood ? "info" : "error", reason === "" ? status : `${status}: ${reason}`);
}
