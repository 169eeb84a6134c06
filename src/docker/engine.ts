import { z } from "zod";

import type { Clock, Engine } from "../core/ports.ts";
import { parseAnswer, refused } from "./answer.ts";
import { createContainers } from "./containers.ts";
import type { DockerHost } from "./host.ts";
import { createImages } from "./images.ts";
import { readLogs } from "./logs.ts";
import { createTransport, type Fetch, type Transport } from "./transport.ts";

const EVENTS_DEADLINE_MS = 10_000;
const NETWORK_DEADLINE_MS = 10_000;

const network = z.object({ Id: z.string() });

/** The Docker Engine behind `host`. Nothing is sent before the first call. */
export function createEngine(options: { host: DockerHost; clock: Clock; fetch?: Fetch }): Engine {
  const transport = createTransport(options.host, options.fetch);
  return {
    ping: transport.ping,
    startId: () => startId(transport),
    untilGone: (signal) => untilGone(transport, signal),
    ...createContainers(transport, options.clock),
    ...createImages(transport, options.clock),
    logs: (id, lines) => readLogs(transport, id, lines),
  };
}

/** dockerd makes its default bridge network anew, with another id, whenever it starts. */
async function startId(transport: Transport): Promise<string> {
  const answer = await transport.send({
    method: "GET",
    path: "/networks/bridge",
    deadlineMs: NETWORK_DEADLINE_MS,
  });
  return answer.status === 404 ? "" : parseAnswer(answer, network, "inspect network bridge").Id;
}

/** An event stream that never has an event ends when the engine does. */
async function untilGone(transport: Transport, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  try {
    const response = await transport.open({
      method: "GET",
      path: "/events",
      query: { filters: JSON.stringify({ type: ["daemon"], event: ["none"] }) },
      deadlineMs: EVENTS_DEADLINE_MS,
      signal,
    });
    if (response.status !== 200) throw refused({ status: response.status, text: "" }, "show its events");
    await drain(response);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function drain(response: Response): Promise<void> {
  try {
    // oxlint-disable-next-line no-unused-vars -- only the end matters
    for await (const _ of response.body ?? []);
  } catch {
    // A cut connection is how an engine goes.
  }
}
