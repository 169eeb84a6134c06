import type { Deployment } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import type { Ports } from "./ports.ts";

/** A step that a deployment does not fail for: what went wrong is told in its events, and in the log. It never throws. */
export async function tryTo(
  what: string,
  { id }: Deployment,
  { journal, log }: Pick<Ports, "journal" | "log">,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    journal.event(id, "log", "warn", `${what}: ${publicMessage(error)}`);
    log.warn(what, { deployment: id, error });
  }
}
