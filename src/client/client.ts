import type { z } from "zod";

import type { Run } from "../core/order.ts";
import { Secret } from "../core/secret.ts";
import {
  ChecksAnswer,
  ComposeAnswer,
  DeploymentAnswer,
  EventsAnswer,
  ForgottenAnswer,
  GuardsAnswer,
  PageAnswer,
  RejectedAnswer,
  RestartAnswer,
  ServicesAnswer,
  UpAnswer,
} from "./answers.ts";
import { ClientError } from "./client-error.ts";
import type { Patience } from "./patience.ts";
import { notTheDaemon, readJson, refusal } from "./refusal.ts";
import { resend } from "./resend.ts";
import { readStory, type Story, understand } from "./story.ts";
import type { RequestLine, Transport } from "./transport.ts";
import { Watchdog } from "./watchdog.ts";

/** For answers from what the daemon has at hand, or one look at Docker. */
const ANSWER_DEADLINE_MS = 30_000;
/** Docker, Compose and the registry are asked, each with a deadline of its own. */
const CHECK_DEADLINE_MS = 180_000;
/** Containers are stopped within their own grace, pulled and started; the daemon has a deadline for each. */
const WORK_DEADLINE_MS = 3_600_000;
const JSON_ONLY = "application/json";
/** An error is not a stream: it comes as JSON. */
const STREAM_HEADERS = { Accept: "text/event-stream, application/json;q=0.9", Prefer: "progress" };
const PAGE = 200;

/** What is to be rolled out; without an image the one that the compose file names. */
export type DeployOrder = {
  services: readonly string[];
  image?: string | undefined;
  /** By service, instead of one for all. */
  images?: Readonly<Record<string, string>> | undefined;
  force?: boolean | undefined;
  /** The CI run that asks, for the order guard. */
  run?: Run | undefined;
};

export type RollbackOrder = { service: string; to?: string | undefined };

/** A deployment and its story from here on, which ends early when the daemon stops or the connection is cut. */
export type Following = {
  id: string;
  story: AsyncIterable<Story>;
  /** Reads this deployment for a day, instead of a token; the daemon gives it with an accepted request. */
  readKey?: Secret | undefined;
};

export type DeploymentFilter = { service?: string | undefined; status?: string | undefined; limit: number };

/** The daemon's HTTP API. Everything throws `ClientError`, and what `Transport.authorise` throws. */
export type Client = ReturnType<typeof createClient>;

export function createClient(transport: Transport, patience: Patience) {
  async function open(
    line: RequestLine,
    headers: Record<string, string>,
    signal: AbortSignal,
    readKey?: Secret,
  ): Promise<Response> {
    const token = readKey?.reveal() ?? (await transport.authorise(line));
    return await transport.send({ ...line, headers: withToken(headers, token), signal });
  }

  function withDeadline(milliseconds: number): AbortSignal {
    const deadline = AbortSignal.timeout(milliseconds);
    return patience.enough === undefined ? deadline : AbortSignal.any([deadline, patience.enough]);
  }

  async function ask<T>(
    method: "GET" | "POST" | "DELETE",
    target: string,
    shape: z.ZodType<T>,
    { body, deadlineMs = ANSWER_DEADLINE_MS }: { body?: unknown; deadlineMs?: number } = {},
  ): Promise<T> {
    const line = { method, target, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const answer = await open(line, { Accept: JSON_ONLY }, withDeadline(deadlineMs));
    return understand(shape, await readAnswer(answer), target);
  }

  /** The JSON of a good answer. */
  async function readAnswer(answer: Response): Promise<unknown> {
    const json = await readJson(answer, transport.place);
    if (!answer.ok) throw refusal(answer, json, transport.place, patience.now());
    return json;
  }

  /**
   * Sends a request that begins something, again where its answer was lost. The token is the same each time, and so are
   * the bytes and `Idempotency-Key`: by either, the daemon knows the one it has accepted already.
   */
  async function begin<T>(
    target: string,
    order: unknown,
    headers: Record<string, string>,
    read: (answer: Response, watchdog: Watchdog) => T | Promise<T>,
  ): Promise<T> {
    const line = { method: "POST" as const, target, body: JSON.stringify(order) };
    const token = await transport.authorise(line);
    const sent = withToken({ ...headers, "Idempotency-Key": crypto.randomUUID() }, token);
    return await resend(async () => {
      const watchdog = new Watchdog(patience.enough);
      try {
        const answer = await transport.send({ ...line, headers: sent, signal: watchdog.signal });
        if (!answer.ok) await readAnswer(answer);
        return await read(answer, watchdog);
      } catch (error) {
        watchdog.end();
        throw error;
      }
    }, patience);
  }

  /** Begins it and follows it. */
  function beginAndFollow(target: string, order: unknown): Promise<Following> {
    return begin(target, order, STREAM_HEADERS, (answer, watchdog) => ({
      ...acceptanceOf(answer, transport.place),
      story: readStory(answer, watchdog),
    }));
  }

  /** Begins it and leaves it alone. */
  function beginOnly(target: string, order: unknown): Promise<DeploymentAnswer> {
    const headers = { Accept: JSON_ONLY, Prefer: "respond-async" };
    return begin(target, order, headers, async (answer, watchdog) => {
      const json = await readAnswer(answer);
      watchdog.end();
      return understand(DeploymentAnswer, json, target);
    });
  }

  return {
    services: async () => (await ask("GET", "/services", ServicesAnswer)).services,
    guards: async () => (await ask("GET", "/guards", GuardsAnswer)).guards,
    forgetGuards: (service: string) =>
      ask("DELETE", `/guards/${encodeURIComponent(service)}`, ForgottenAnswer),
    /** Newest first. */
    rejected: async (limit: number) =>
      (await ask("GET", `/rejected?limit=${limit}`, RejectedAnswer)).rejected,
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
    async follow(id: string, after = 0, readKey?: Secret): Promise<Following> {
      const line = { method: "GET" as const, target: `/deployments/${encodeURIComponent(id)}/events` };
      const headers = { ...STREAM_HEADERS, ...(after > 0 ? { "Last-Event-ID": String(after) } : {}) };
      const watchdog = new Watchdog(patience.enough);
      try {
        const answer = await open(line, headers, watchdog.signal, readKey);
        if (!answer.ok) await readAnswer(answer);
        return { id, story: readStory(answer, watchdog), readKey };
      } catch (error) {
        watchdog.end();
        throw error;
      }
    },
    deploy: (order: DeployOrder) => beginAndFollow("/deploy", order),
    /** Resolves when it is accepted. */
    deployLater: (order: DeployOrder) => beginOnly("/deploy", order),
    rollback: (order: RollbackOrder) => beginAndFollow("/rollback", order),
    rollbackLater: (order: RollbackOrder) => beginOnly("/rollback", order),
    restart: (service: string) =>
      ask("POST", "/restart", RestartAnswer, { body: { service }, deadlineMs: WORK_DEADLINE_MS }),
    up: () => ask("POST", "/up", UpAnswer, { deadlineMs: WORK_DEADLINE_MS }),
    checks: async () => (await ask("GET", "/check", ChecksAnswer, { deadlineMs: CHECK_DEADLINE_MS })).checks,
    compose: () => ask("GET", "/compose", ComposeAnswer),
    /** Resolves when nothing is being deployed; nothing is until it is given back, or this process ends. */
    async turn(): Promise<{ giveBack(): void }> {
      const over = new AbortController();
      const answer = await open({ method: "POST", target: "/compose/turn" }, {}, over.signal);
      if (!answer.ok || answer.body === null) await readAnswer(answer);
      const reader = answer.body?.getReader();
      const line = await reader?.read().catch((cause: unknown) => {
        throw new ClientError("unreachable", `no daemon at ${transport.place}: it went away`, { cause });
      });
      if (line?.done !== false) throw new ClientError("shutting_down", "the daemon is shutting down");
      return { giveBack: () => over.abort() };
    },
  };
}

function withToken(
  headers: Readonly<Record<string, string>>,
  token: string | undefined,
): Record<string, string> {
  return { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) };
}

function acceptanceOf(answer: Response, place: string): Pick<Following, "id" | "readKey"> {
  const id = answer.headers.get("Deployer-Deployment");
  if (id === null) throw notTheDaemon(answer, place);
  const readKey = answer.headers.get("Deployer-Read");
  return {
    id,
    readKey: readKey === null ? undefined : new Secret(readKey),
  };
}
