import { z } from "zod";

import { readMessages } from "../../src/client/event-stream.ts";
import type { Daemon, Reply } from "./daemon.ts";

const Diagnosis = z.object({
  service: z.string(),
  container: z.string(),
  exit_code: z.number().nullable(),
  signal: z.string().nullable(),
  oom_killed: z.boolean(),
  restarts: z.number(),
  health: z.string().nullable(),
  output: z.array(z.string()),
});

const DeploymentRecord = z.looseObject({
  id: z.string(),
  status: z.string(),
  reason: z.string(),
  changed: z.boolean().nullable(),
  ended_at: z.iso.datetime().nullable(),
  diagnosis: z.array(Diagnosis),
});

const Event = z.looseObject({
  seq: z.number(),
  at: z.iso.datetime(),
  phase: z.string(),
  level: z.string(),
  text: z.string(),
});

/** `GET /deployments/{id}`, as this program answers it. */
export type DeploymentRecord = z.infer<typeof DeploymentRecord>;

export type ToldEvent = z.infer<typeof Event>;

const WAIT_SECONDS = 120;
const PHASE_DEADLINE = 30_000;

/** The deployment a reply is about. */
export function idOf(reply: Reply): string {
  const id = reply.headers.get("Deployer-Deployment");
  if (id === null) throw new Error(`no deployment was accepted: ${reply.status} ${reply.text}`);
  return id;
}

/** A deployment when it has ended. */
export async function recordOf(daemon: Daemon, id: string): Promise<DeploymentRecord> {
  return DeploymentRecord.parse(await get(daemon, `/deployments/${id}`, { Prefer: `wait=${WAIT_SECONDS}` }));
}

/** What has been told of a deployment so far. */
export async function eventsOf(daemon: Daemon, id: string): Promise<ToldEvent[]> {
  return z.object({ events: z.array(Event) }).parse(await get(daemon, `/deployments/${id}/events`)).events;
}

/** All that is told of a deployment up to its end, also when the daemon ends with it. */
export async function eventsToTheEnd(daemon: Daemon, id: string): Promise<ToldEvent[]> {
  const stream = await getText(daemon, `/deployments/${id}/events`, { Accept: "text/event-stream" });
  const events = stream.split("\n\n").filter((message) => message.startsWith("id: "));
  return events.map((message) => Event.parse(JSON.parse(/^data: (.*)$/m.exec(message)?.[1] ?? "")));
}

/** Waits until a step has been told of, and learns it at once. */
export async function untilPhase(daemon: Daemon, id: string, phase: string): Promise<void> {
  const headers = { Authorization: `Bearer ${await daemon.token()}`, Accept: "text/event-stream" };
  const signal = AbortSignal.timeout(PHASE_DEADLINE);
  const reply = await fetch(`${daemon.url}/deployments/${id}/events`, { headers, signal });
  for await (const { data } of readMessages(reply.body ?? new ReadableStream()))
    if (Event.safeParse(JSON.parse(data)).data?.phase === phase) return;
  throw new Error(`the deployment has ended without coming to "${phase}"`);
}

/** The newest deployments first. */
export async function deploymentIds(daemon: Daemon): Promise<string[]> {
  const list = z.object({ deployments: z.array(z.object({ id: z.string() })) });
  return list.parse(await get(daemon, "/deployments")).deployments.map(({ id }) => id);
}

async function get(daemon: Daemon, path: string, headers?: Record<string, string>): Promise<unknown> {
  return JSON.parse(await getText(daemon, path, headers));
}

async function getText(daemon: Daemon, path: string, headers: Record<string, string> = {}): Promise<string> {
  const authorization = { Authorization: `Bearer ${await daemon.token()}` };
  const reply = await daemon.request("GET", path, { headers: { ...authorization, ...headers } });
  if (reply.status !== 200) throw new Error(`GET ${path}: ${reply.status} ${reply.text}`);
  return reply.text;
}
