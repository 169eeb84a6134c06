import type { DeploymentEvent, Pull } from "../core/history.ts";
import { DeployerError } from "../core/errors.ts";
import { maySeeOutput } from "../core/permissions.ts";
import { prefersEvents } from "./accept.ts";
import { authenticateReader } from "./authenticate.ts";
import { type HttpContext, IDLE_SECONDS } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { deploymentJson } from "./deployment-json.ts";
import { readable } from "./deployments.ts";
import { follow, type News } from "./follow.ts";
import { WITHHELD } from "./output.ts";
import { parsePrefer } from "./prefer.ts";
import { replyJson } from "./reply.ts";

/** A reader that takes nothing for so long is cut; each heartbeat it takes begins it anew. */
const STREAM_IDLE_SECONDS = 45;
const LIST_LIMIT = 10_000;
const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store",
  // nginx would otherwise hold the events back until it has a buffer full of them.
  "X-Accel-Buffering": "no",
};

/**
 * `GET /deployments/{id}/events`: `{"events":[…]}` as far as they have come; with `Accept: text/event-stream` also those
 * to come, after the one that `Last-Event-ID` names, and `event: done` with the deployment at its end; with
 * `Prefer: progress` also `event: progress`, without an id, while an image is pulled.
 */
export async function getEvents(c: HttpContext, daemon: Daemon): Promise<Response> {
  const id = c.req.param("id") ?? "";
  const may = await authenticateReader(c, daemon, id);
  const seesOutput = maySeeOutput(may, readable(id, may, daemon));
  if (prefersEvents(c.req.header("Accept")))
    return streamEvents(c, daemon, { id, after: lastEventId(c), seesOutput });
  const events = daemon.events(id, 0, LIST_LIMIT);
  return replyJson(c, 200, {
    events: shown(events, seesOutput).map((event) => eventJson(event, seesOutput)),
  });
}

/** Which events are wanted: those after number `after`, with or without what containers printed. */
type Wanted = { id: string; after: number; seesOutput: boolean };

/** The events of a deployment as a stream (HTML standard, 9.2). A reader that goes away changes nothing. */
export function streamEvents(c: HttpContext, daemon: Daemon, { id, after, seesOutput }: Wanted): Response {
  // A body that is dropped is never cancelled: the stream of a HEAD would go on for ever.
  if (c.req.raw.method === "HEAD") return c.body(null, 200, HEADERS);
  c.env.closeAfterIdle(STREAM_IDLE_SECONDS);
  const gone = new AbortController();
  const { progress: showsPulls } = parsePrefer(c.req.header("Prefer"));
  const news = follow(daemon, { id, after, showsPulls }, AbortSignal.any([c.req.raw.signal, gone.signal]));
  const encoder = new TextEncoder();
  // Said at once, so that the reader has the headers before the first event.
  let greeting: string | undefined = `: events of deployment ${id}\n\n`;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (greeting !== undefined) {
          controller.enqueue(encoder.encode(greeting));
          greeting = undefined;
          return;
        }
        const next = await news.next();
        if (next.done !== true) return controller.enqueue(encoder.encode(messageOf(next.value, seesOutput)));
        if (gone.signal.aborted) return;
        c.env.closeAfterIdle(IDLE_SECONDS);
        controller.close();
      },
      async cancel() {
        gone.abort();
        await news.return();
      },
    },
    // Only what the connection takes is read from the store.
    { highWaterMark: 0 },
  );
  return c.body(body, 200, HEADERS);
}

function lastEventId(c: HttpContext): number {
  const text = c.req.header("Last-Event-ID") ?? "";
  if (text === "") return 0;
  if (!/^\d{1,15}$/.test(text))
    throw new DeployerError("invalid", "Last-Event-ID must be the number of an event of this deployment");
  return Number(text);
}

function messageOf(news: News, seesOutput: boolean): string {
  switch (news.kind) {
    case "events":
      return shown(news.events, seesOutput)
        .map((event) => eventMessage(event, seesOutput))
        .join("");
    case "pull":
      return `event: progress\ndata: ${JSON.stringify(pullJson(news.pull))}\n\n`;
    case "heartbeat":
      return ": heartbeat\n\n";
    case "done":
      return `event: done\ndata: ${JSON.stringify(deploymentJson(news.deployment, seesOutput))}\n\n`;
  }
}

function eventMessage(event: DeploymentEvent, seesOutput: boolean): string {
  return `id: ${event.seq}\nevent: ${event.phase}\ndata: ${JSON.stringify(eventJson(event, seesOutput))}\n\n`;
}

/** Of several lines that are withheld the last one says so: who comes back after it misses none. */
function shown(events: readonly DeploymentEvent[], seesOutput: boolean): readonly DeploymentEvent[] {
  if (seesOutput) return events;
  return events.filter(({ phase }, index) => phase !== "output" || events[index + 1]?.phase !== "output");
}

function pullJson({ image, downloadedBytes, totalBytes, layers, layersDone }: Pull): Record<string, unknown> {
  return {
    image,
    downloaded_bytes: downloadedBytes,
    total_bytes: totalBytes,
    layers,
    layers_done: layersDone,
  };
}

function eventJson(
  { seq, at, phase, level, text }: DeploymentEvent,
  seesOutput: boolean,
): Record<string, unknown> {
  const isWithheld = phase === "output" && !seesOutput;
  return { seq, at: new Date(at).toISOString(), phase, level, text: isWithheld ? WITHHELD : text };
}
