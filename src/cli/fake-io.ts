import type { DeploymentAnswer } from "../client/answers.ts";
import type { Client, Following } from "../client/client.ts";
import type { Story } from "../client/story.ts";
import type { Io } from "./command.ts";

/** A terminal and a clock in memory; of the client only what a test gives. */
export function fakeIo(client: Partial<Client> = {}) {
  let now = Date.parse("2026-11-23T12:00:00Z");
  const said = { stdout: "", stderr: "" };
  const io: Io = {
    env: {},
    version: "v1.2.3",
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    now: () => now,
    sleep: async (milliseconds) => void (now += milliseconds),
    connect: () => client as Client,
  };
  return { io, said };
}

/** A story that tells these events by their numbers, then the end if there is one. */
export function following(events: readonly number[], ended?: DeploymentAnswer): Following {
  async function* story(): AsyncGenerator<Story, void, undefined> {
    for (const seq of events)
      yield { event: { seq, at: "2026-11-23T12:00:00Z", phase: "log", level: "info", text: `event ${seq}` } };
    if (ended !== undefined) yield { ended };
  }
  return { id: "d1", story: story() };
}

export function deploymentAnswer(fields: Partial<DeploymentAnswer> = {}): DeploymentAnswer {
  return {
    id: "d1",
    kind: "deploy",
    to: null,
    services: [{ service: "web", image: "shop/web:v2", digest: null }],
    status: "succeeded",
    reason: "",
    changed: true,
    created_at: "2026-11-23T11:59:00Z",
    started_at: "2026-11-23T11:59:01Z",
    ended_at: "2026-11-23T11:59:05Z",
    ...fields,
  };
}
