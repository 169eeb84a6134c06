import type { z } from "zod";

import {
  ChecksAnswer,
  ComposeAnswer,
  DeploymentAnswer,
  ErrorAnswer,
  EventAnswer,
  EventsAnswer,
  ForgottenAnswer,
  GuardsAnswer,
  PageAnswer,
  RestartAnswer,
  ServicesAnswer,
  UpAnswer,
} from "./answers.ts";
import { readMessages } from "./event-stream.ts";

/** For answers from what the daemon has at hand, or one look at Docker. */
const ANSWER_DEADLINE_MS = 30_000;
/** Docker, Compose and the registry are asked, each with a deadline of its own. */
const CHECK_DEADLINE_MS = 180_000;
/** Containers are stopped within their own grace, pulled and started; the daemon has a deadline for each. */
const WORK_DEADLINE_MS = 3_600_000;
/** The daemon says something at least every 15 s. */
/** An error is not a stream: it comes as JSON. */
const EVENTS_OR_ERROR = "text/event-stream, application/json;q=0.9";
const SILENCE_MS = 45_000;
const PAGE = 200;

/** A request that did not do what it should. */
export class ClientError extends Error {
  /**
   * `unreachable`: nobody answers, or not as the daemon does; `unauthorized`: this user may not open the socket; else the
   * daemon's own code.
   */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ClientError";
    this.code = code;
  }
}

/** What comes of a deployment that is followed: its events, then itself when it has ended. */
export type Story = { event: EventAnswer } | { ended: DeploymentAnswer };

/** A deployment and its story from here on, which ends early when the daemon stops. */
export type Following = { id: string; story: AsyncIterable<Story> };

export type DeploymentFilter = { service?: string | undefined; status?: string | undefined; limit: number };

/** The daemon's HTTP API, by the control socket. Everything throws `ClientError`. */
export type Client = ReturnType<typeof createClient>;

export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

export function createClient(socket: string, fetch: Fetch = globalThis.fetch) {
  /** The answer as it comes, whatever its status. */
  async function open(method: string, path: string, init: BunFetchRequestInit): Promise<Response> {
    try {
      return await fetch(`http://host${path}`, {
        ...init,
        method,
        unix: socket,
        // Bun would end it after minutes; every request has its own deadline here.
        timeout: false,
        redirect: "error",
        decompress: false,
      });
    } catch (error) {
      throw notReached(socket, error);
    }
  }

  async function ask<T>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    shape: z.ZodType<T>,
    { body, deadlineMs = ANSWER_DEADLINE_MS }: { body?: unknown; deadlineMs?: number } = {},
  ): Promise<T> {
    const answer = await open(method, path, {
      headers: { Accept: "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(deadlineMs),
    });
    const json = await readJson(answer, socket);
    if (!answer.ok) throw refusal(answer, json);
    return parse(shape, json, path);
  }

  /** Cut, and so at its end, when nothing comes for too long. */
  async function stream(method: "GET" | "POST", path: string, after: number, body?: unknown) {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    const answer = await open(method, path, {
      headers: { Accept: EVENTS_OR_ERROR, ...(after > 0 ? { "Last-Event-ID": String(after) } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: silence.signal,
    }).finally(() => clearTimeout(timer));
    if (!answer.ok) throw refusal(answer, await readJson(answer, socket));
    return { answer, story: tell(answer, timer, silence) };
  }

  async function* tell(
    answer: Response,
    timer: NodeJS.Timeout,
    silence: AbortController,
  ): AsyncGenerator<Story, void, undefined> {
    if (answer.body === null) return;
    let alarm = timer;
    const chunks = answer.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          clearTimeout(alarm);
          alarm = setTimeout(() => silence.abort(), SILENCE_MS);
          controller.enqueue(chunk);
        },
      }),
    );
    try {
      for await (const { event, data } of readMessages(chunks)) {
        if (event === "done") {
          yield { ended: parse(DeploymentAnswer, JSON.parse(data), "the end of a deployment") };
          return;
        }
        yield { event: parse(EventAnswer, JSON.parse(data), "an event") };
      }
    } catch (error) {
      if (error instanceof ClientError) throw error;
      // Cut off in the middle: what was told so far is all there is.
    } finally {
      clearTimeout(alarm);
    }
  }

  return {
    services: async () => (await ask("GET", "/services", ServicesAnswer)).services,
    guards: async () => (await ask("GET", "/guards", GuardsAnswer)).guards,
    forgetGuards: (service: string) =>
      ask("DELETE", `/guards/${encodeURIComponent(service)}`, ForgottenAnswer),
    /** Newest first. */
    async deployments({ service, status, limit }: DeploymentFilter): Promise<DeploymentAnswer[]> {
      const found: DeploymentAnswer[] = [];
      let next: string | null = "";
      while (next !== null && found.length < limit) {
        const query = new URLSearchParams({ limit: String(Math.min(limit - found.length, PAGE)) });
        if (service !== undefined) query.set("service", service);
        if (status !== undefined) query.set("status", status);
        if (next !== "") query.set("before", next);
        const page: z.infer<typeof PageAnswer> = await ask(
          "GET",
          `/deployments?${query.toString()}`,
          PageAnswer,
        );
        found.push(...page.deployments);
        next = page.next;
      }
      return found;
    },
    /** As far as they have come. */
    events: async (id: string) =>
      (await ask("GET", `/deployments/${encodeURIComponent(id)}/events`, EventsAnswer)).events,
    /** Events after number `after`, those to come too. */
    async follow(id: string, after = 0): Promise<Following> {
      const { story } = await stream("GET", `/deployments/${encodeURIComponent(id)}/events`, after);
      return { id, story };
    },
    async rollback(request: { service: string; to?: string | undefined }): Promise<Following> {
      const { answer, story } = await stream("POST", "/rollback", 0, request);
      return { id: answer.headers.get("Deployer-Deployment") ?? "", story };
    },
    restart: (service: string) =>
      ask("POST", "/restart", RestartAnswer, { body: { service }, deadlineMs: WORK_DEADLINE_MS }),
    up: () => ask("POST", "/up", UpAnswer, { deadlineMs: WORK_DEADLINE_MS }),
    checks: async () => (await ask("GET", "/check", ChecksAnswer, { deadlineMs: CHECK_DEADLINE_MS })).checks,
    compose: () => ask("GET", "/compose", ComposeAnswer),
    /** Resolves when nothing is being deployed; nothing is until it is given back, or this process ends. */
    async turn(): Promise<{ giveBack(): void }> {
      const over = new AbortController();
      const answer = await open("POST", "/compose/turn", { signal: over.signal });
      if (!answer.ok || answer.body === null) throw refusal(answer, await readJson(answer, socket));
      const reader = answer.body.getReader();
      const { done } = await reader.read().catch((error: unknown) => {
        throw notReached(socket, error);
      });
      if (done) throw new ClientError("shutting_down", "the daemon is shutting down");
      return { giveBack: () => over.abort() };
    },
  };
}

async function readJson(answer: Response, socket: string): Promise<unknown> {
  let text: string;
  try {
    text = await answer.text();
  } catch (error) {
    throw notReached(socket, error);
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusal(answer: Response, json: unknown): ClientError {
  const parsed = ErrorAnswer.safeParse(json);
  if (parsed.success) return new ClientError(parsed.data.error.code, parsed.data.error.message);
  return new ClientError("unreachable", `HTTP ${answer.status}: this is not the daemon's answer`);
}

function parse<T>(shape: z.ZodType<T>, json: unknown, what: string): T {
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ClientError(
    "unreachable",
    `the answer of the daemon is not understood (${what}: ${issue?.path.join(".")} ${issue?.message}); is it of another version?`,
  );
}

function notReached(socket: string, error: unknown): ClientError {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EACCES" || code === "EPERM" || code === "FailedToOpenSocket")
    return new ClientError("unauthorized", `${socket}: permission denied; be root, or in the group docker`, {
      cause: error,
    });
  return new ClientError("unreachable", `no daemon at ${socket}: ${reasonOf(code, error)}`, { cause: error });
}

function reasonOf(code: unknown, error: unknown): string {
  if (code === "ENOENT")
    return "there is no such socket; does it run (systemctl status deployer), with this RUN_DIR?";
  if (code === "ECONNREFUSED") return "nobody listens; it was killed (systemctl status deployer)";
  if (code === "ECONNRESET") return "it went away before it had answered";
  if (error instanceof Error && error.name === "TimeoutError") return "no answer in time";
  return error instanceof Error ? error.message : String(error);
}
