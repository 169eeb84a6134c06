import type { Engine } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { refused } from "./answer.ts";
import { createContainers } from "./containers.ts";
import { execute } from "./exec.ts";
import type { DockerHost } from "./host.ts";
import { createImages } from "./images.ts";
import { readInfo } from "./info.ts";
import { createLocalImages } from "./local-images.ts";
import { readLogs } from "./logs.ts";
import { createLookout } from "./lookout.ts";
import { createNetworks, networkId } from "./networks.ts";
import { createStopSignals } from "./stop-signals.ts";
import { createTransport, type Fetch, type Transport } from "./transport.ts";

const EVENTS_DEADLINE_MS = 10_000;

/** The Docker Engine behind `host`. Nothing is sent before the first call. */
export function createEngine(options: { host: DockerHost; clock: Clock; fetch?: Fetch }): Engine {
  const transport = createTransport(options.host, options.fetch);
  const containers = createContainers(transport, options.clock);
  return {
    ping: transport.ping,
    info: () => readInfo(transport),
    // dockerd makes its default bridge network anew, with another id, whenever it starts.
    startId: () => networkId(transport, "bridge"),
    untilGone: (signal) => untilGone(transport, signal),
    ...containers,
    ...createNetworks(transport, containers.container),
    ...createLookout(transport),
    ...createStopSignals(transport, options.clock),
    ...createLocalImages(transport),
    ...createImages(transport, options.clock),
    logs: (id, lines) => readLogs(transport, id, lines),
    exec: (id, argv, deadlineMs) => execute(transport, options.clock, { id, argv, deadlineMs }),
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
