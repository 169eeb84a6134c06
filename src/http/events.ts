import type { DeploymentEvent } from "../core/history.ts";
import { DeployerError } from "../core/errors.ts";
import { prefersEvents } from "./accept.ts";
import { authenticateReader } from "./authenticate.ts";
import { type HttpContext, IDLE_SECONDS } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { deploymentJson } from "./deployment-json.ts";
import { deploymentNamed } from "./deployments.ts";
import { follow, type News } from "./follow.ts";
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
 * to come, after the one that `Last-Event-ID` names, and `event: done` with the deployment at its end.
 */
export async function getEvents(c: HttpContext, daemon: Daemon): Promise<Response> {
  const id = c.req.param("id") ?? "";
  await authenticateReader(c, daemon, id);
  deploymentNamed(id, daemon);
  if (prefersEvents(c.req.header("Accept"))) return streamEvents(c, daemon, id, lastEventId(c));
  return replyJson(c, 200, { events: daemon.events(id, 0, LIST_LIMIT).map(eventJson) });
}

/** The events of a deployment as a stream (HTML standard, 9.2). A reader that goes away changes nothing. */
export function streamEvents(c: HttpContext, daemon: Daemon, id: string, after: number): Response {
  // A body that is dropped is never cancelled: the stream of a HEAD would go on for ever.
  if (c.req.raw.method === "HEAD") return c.body(null, 200, HEADERS);
  c.env.closeAfterIdle(STREAM_IDLE_SECONDS);
  const gone = new AbortController();
  const news = follow(daemon, id, after, AbortSignal.any([c.req.raw.signal, gone.signal]));
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
        if (next.done !== true) return controller.enqueue(encoder.encode(messageOf(next.value)));
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

function messageOf(news: News): string {
  switch (news.kind) {
    case "events":
      return news.events.map(eventMessage).join("");
    case "heartbeat":
      return ": heartbeat\n\n";
    case "done":
      return `event: done\ndata: ${JSON.stringify(deploymentJson(news.deployment))}\n\n`;
  }
}

function eventMessage(event: DeploymentEvent): string {
  return `id: ${event.seq}\nevent: ${event.phase}\ndata: ${JSON.stringify(eventJson(event))}\n\n`;
}

function eventJson({ seq, at, phase, level, text }: DeploymentEvent): Record<string, unknown> {
  return { seq, at: new Date(at).toISOString(), phase, level, text };
}
