import type { Clock, Engine } from "../core/ports.ts";
import { refused } from "./answer.ts";
import { createContainers } from "./containers.ts";
import type { DockerHost } from "./host.ts";
import { createImages } from "./images.ts";
import { readLogs } from "./logs.ts";
import { createTransport, type Fetch, type Transport } from "./transport.ts";

const EVENTS_DEADLINE_MS = 10_000;

/** The Docker Engine behind `host`. Nothing is sent before the first call. */
export function createEngine(options: { host: DockerHost; clock: Clock; fetch?: Fetch }): Engine {
  const transport = createTransport(options.host, options.fetch);
  return {
    ping: transport.ping,
    untilGone: (signal) => untilGone(transport, signal),
    ...createContainers(transport, options.clock),
    ...createImages(transport, options.clock),
    logs: (id, lines) => readLogs(transport, id, lines),
  };
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
