import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import type { Guard } from "../core/order.ts";
import { KEPT_REJECTIONS, type Rejection } from "../core/rejection.ts";
import type { Restarted } from "../core/restart.ts";
import type { UpStep } from "../core/up.ts";
import { readBody } from "./body.ts";
import { type HttpContext, IDLE_SECONDS } from "./context.ts";
import { deploymentJson } from "./deployment-json.ts";
import { replyJson } from "./reply.ts";
import type { Route } from "./server.ts";
import { type Alone, holdTurn } from "./turn.ts";

/** What commands on this host may do beside what tokens are for. */
export type Host = {
  restart(service: string): Promise<Restarted>;
  up(): Promise<UpStep[]>;
  guards(): (Guard & { service: string })[];
  /** @returns how many were forgotten */
  dropGuards(service: string): number;
  /** Requests that were refused for want of a good token or of a right, newest first. */
  rejected(limit: number): Rejection[];
  /** What the daemon needs, judged in its own environment. */
  checks(): AsyncIterable<{ name: string; ok: boolean; detail: string }>;
  compose(): ComposePlace;
  alone: Alone;
};

/** How the daemon calls Compose; its environment is to be had from the kernel, by those who may see it. */
type ComposePlace = {
  /** Absolute. */
  composeFile: string;
  /** Names the images that deployments decided on; undefined before the first look at the project. */
  pinsFile: string | undefined;
  folder: string;
  pid: number;
};

const Limit = z.coerce.number().int().min(1).max(KEPT_REJECTIONS).default(KEPT_REJECTIONS);
const RestartBody = z.strictObject({ service: z.string().min(1) });

/** The routes of the control socket that are nowhere else. None asks for a token: the socket lets nobody else in. */
export function controlRoutes(host: Host): Route[] {
  return [
    ["POST", "/restart", (c) => postRestart(c, host)],
    ["POST", "/up", (c) => postUp(c, host)],
    ["GET", "/guards", (c) => replyJson(c, 200, { guards: host.guards().map(guardJson) })],
    ["DELETE", "/guards/:service", (c) => deleteGuards(c, host)],
    ["GET", "/rejected", (c) => getRejected(c, host)],
    ["GET", "/check", (c) => getCheck(c, host)],
    ["GET", "/compose", (c) => getCompose(c, host)],
    ["POST", "/compose/turn", (c) => holdTurn(c, host.alone)],
  ];
}

/** `{"service","containers":[id],"problems":[text]}` when they are up again. */
async function postRestart(c: HttpContext, host: Host): Promise<Response> {
  const body = RestartBody.safeParse(parseJson(await readBody(c.req.raw)));
  if (!body.success) throw new DeployerError("invalid", 'expected {"service": name}');
  const { service } = body.data;
  const { containers, problems } = await atLeisure(c, () => host.restart(service));
  return replyJson(c, 200, { service, containers, problems });
}

/** `{"services":[{"service","did","text","deployment"}]}`; the deployments are in the queue, nobody waits for them here. */
async function postUp(c: HttpContext, host: Host): Promise<Response> {
  const steps = await atLeisure(c, () => host.up());
  return replyJson(c, 200, {
    services: steps.map(({ service, did, text, deployment }) => ({
      service,
      did,
      text,
      deployment: deployment === undefined ? null : deploymentJson(deployment, true),
    })),
  });
}

/** `{"service","forgotten":2}`. */
function deleteGuards(c: HttpContext, host: Host): Response {
  const service = c.req.param("service") ?? "";
  return replyJson(c, 200, { service, forgotten: host.dropGuards(service) });
}

/** `?limit=N` of `{"rejected":[{"at","remote","method","path","code","cause","verified","claims","unlisted"}]}`, newest first. */
function getRejected(c: HttpContext, host: Host): Response {
  const limit = Limit.safeParse(c.req.query("limit"));
  if (!limit.success)
    throw new DeployerError("invalid", `limit must be a number from 1 to ${KEPT_REJECTIONS}`);
  return replyJson(c, 200, { rejected: host.rejected(limit.data).map(rejectionJson) });
}

/** `{"checks":[{"name","ok","detail"}]}`. */
async function getCheck(c: HttpContext, host: Host): Promise<Response> {
  const checks = await atLeisure(c, () => Array.fromAsync(host.checks()));
  return replyJson(c, 200, { checks });
}

function getCompose(c: HttpContext, host: Host): Response {
  const { composeFile, pinsFile, folder, pid } = host.compose();
  return replyJson(c, 200, { compose_file: composeFile, pins_file: pinsFile ?? null, folder, pid });
}

function guardJson({ service, run, deployment }: Guard & { service: string }): Record<string, unknown> {
  return { service, ...run, deployment };
}

function rejectionJson({ at, claims, ...rest }: Rejection): Record<string, unknown> {
  return { at: new Date(at).toISOString(), ...rest, claims: claims ?? null };
}

/** What takes as long as it takes, with deadlines of its own; a caller that goes away stops nothing. */
async function atLeisure<T>(c: HttpContext, work: () => Promise<T>): Promise<T> {
  c.env.closeAfterIdle(0);
  try {
    return await work();
  } finally {
    c.env.closeAfterIdle(IDLE_SECONDS);
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
