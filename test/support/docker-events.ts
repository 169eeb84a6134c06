import { z } from "zod";

import type { DockerClient } from "./docker-client.ts";
import type { Project } from "./project.ts";
import { stage } from "./stage.ts";

const Event = z.object({ Action: z.string(), Actor: z.object({ ID: z.string() }) });

const EVENT_DEADLINE = 60_000;

/**
 * Listens to Docker's container events of a project, from now on; `seen` resolves with the container's id as soon as one
 * has this action: `create`, `kill` (a signal was sent), `die`, `start`, `destroy`. Rejects when it does not come in time.
 */
export async function nextEvent(
  project: Project,
  action: string,
  docker: DockerClient = stage().docker,
): Promise<{ seen: Promise<string> }> {
  const filters = JSON.stringify({
    type: ["container"],
    event: [action],
    label: [`com.docker.compose.project=${project.name}`],
  });
  const reply = await docker.api(`/events?filters=${encodeURIComponent(filters)}`, {
    signal: AbortSignal.timeout(EVENT_DEADLINE),
  });
  const seen = firstEvent(reply);
  seen.catch(() => undefined);
  return { seen };
}

async function firstEvent(reply: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of reply.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const [line, rest] = text.split("\n");
    if (line !== undefined && rest !== undefined) return Event.parse(JSON.parse(line)).Actor.ID;
  }
  throw new Error("Docker's events ended");
}
