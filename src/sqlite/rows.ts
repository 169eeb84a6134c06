import { z } from "zod";

import type { DeploymentStatus, Diagnosis, Part } from "../core/deployment.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { DeploymentSummary } from "../core/history.ts";
import type { Look, Progress } from "../core/store.ts";

/** A deployment as its table has it. */
export type DeploymentRow = {
  id: string;
  kind: "deploy" | "rollback";
  target_deployment: string | null;
  force: number;
  issuer: string;
  status: DeploymentStatus;
  reason: string;
  code: ErrorCode | null;
  changed: number | null;
  superseded_by: string | null;
  attempts: number;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
};

export type PartRow = {
  service: string;
  image: string | null;
  digest: string | null;
  from_digest: string | null;
  /** JSON. */
  traffic: string | null;
};

/** JSON has no undefined: such a key is not there. */
const maybe = <T>(schema: z.ZodType<T>) => schema.nullish().transform((value) => value ?? undefined);

const DiagnosesJson = z.array(
  z.object({
    service: z.string(),
    container: z.string(),
    exitCode: maybe(z.number()),
    signal: maybe(z.string()),
    oomKilled: z.boolean(),
    restarts: z.number(),
    health: maybe(z.string()),
    output: z.array(z.string()),
  }),
);

const StrategyJson = z.enum(["rolling", "recreate"]);
const AttachmentJson = z.object({
  network: z.string(),
  networkId: z.string(),
  aliases: z.array(z.string()),
  address: z.string(),
  settings: z.record(z.string(), z.unknown()),
});
const RouteJson = z.object({ host: maybe(z.string()), path: z.string() });
const LostJson = z.object({
  edge: maybe(
    z.object({
      http: maybe(z.number()),
      https: maybe(z.number()),
      certs: maybe(z.string()),
      challenges: maybe(z.string()),
      image: maybe(z.string()),
      webhook: maybe(RouteJson),
    }),
  ),
  services: z.array(z.object({ service: z.string(), routes: z.array(RouteJson), resendAll: z.boolean() })),
});
const ProgressJson = z.object({
  stage: z.enum(["preparing", "switching", "going_back"]),
  // Not there in what a version before this one has begun.
  resolved: z.array(z.string()).default([]),
  doneBefore: z.array(z.string()),
  diagnoses: DiagnosesJson,
  failure: maybe(
    z.object({ code: z.custom<ErrorCode>((code) => typeof code === "string"), message: z.string() }),
  ),
  // Not there in what a version before this one has begun.
  lost: LostJson.default({ edge: undefined, services: [] }),
  plans: z.array(
    z.object({
      service: z.string(),
      strategy: StrategyJson,
      inPlace: z.boolean(),
      // Not there in what a version before this one has begun.
      bringsEdge: z.boolean().default(false),
      version: z.object({
        service: z.string(),
        imageText: z.string(),
        fileImage: z.string(),
        digest: z.string(),
        imageId: z.string(),
        recorded: z.string(),
        configHash: z.string(),
        number: z.number(),
      }),
      replicas: z.number(),
      candidates: z.array(z.object({ id: z.string(), networks: z.array(AttachmentJson) })),
      before: z.object({
        running: z.array(z.string()),
        all: z.array(z.string()),
        imageId: z.string().default(""),
        recorded: z.string(),
      }),
    }),
  ),
});
const TrafficJson = z.object({
  requests: z.number(),
  failed: z.number(),
  retried: z.number(),
  held: z.number(),
  refused: z.number(),
  latency: maybe(z.object({ p50: z.number(), p90: z.number(), p99: z.number(), max: z.number() })),
  sinceRestart: z.literal(true).exactOptional(),
});
const LookJson = z.object({ start: z.string(), running: z.array(z.string()) });

export function toRow(deployment: DeploymentSummary): DeploymentRow {
  const { id, kind, issuer, status, reason, attempts } = deployment;
  return {
    id,
    kind,
    issuer,
    status,
    reason,
    attempts,
    target_deployment: deployment.to ?? null,
    force: Number(deployment.force),
    code: deployment.code ?? null,
    changed: deployment.changed === undefined ? null : Number(deployment.changed),
    superseded_by: deployment.supersededBy ?? null,
    created_at: deployment.createdAt,
    started_at: deployment.startedAt ?? null,
    ended_at: deployment.endedAt ?? null,
  };
}

export function toPartRow({ service, image, digest, from, traffic }: Part): PartRow {
  return {
    service,
    image: image ?? null,
    digest: digest ?? null,
    from_digest: from ?? null,
    traffic: traffic === undefined ? null : JSON.stringify(traffic),
  };
}

function toPart({ service, image, digest, from_digest, traffic }: PartRow): Part {
  return {
    service,
    image: image ?? undefined,
    digest: digest ?? undefined,
    ...(from_digest === null ? {} : { from: from_digest }),
    ...(traffic === null ? {} : { traffic: TrafficJson.parse(JSON.parse(traffic)) }),
  };
}

export function toSummary(row: DeploymentRow, parts: readonly PartRow[]): DeploymentSummary {
  const { id, kind, issuer, status, reason, attempts } = row;
  return {
    id,
    kind,
    issuer,
    status,
    reason,
    attempts,
    parts: parts.map(toPart),
    to: row.target_deployment ?? undefined,
    force: row.force === 1,
    code: row.code ?? undefined,
    changed: row.changed === null ? undefined : row.changed === 1,
    supersededBy: row.superseded_by ?? undefined,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}

export function parseDiagnoses(json: string | undefined): Diagnosis[] {
  return json === undefined ? [] : DiagnosesJson.parse(JSON.parse(json));
}

export function parseProgress(json: string | null | undefined): Progress | undefined {
  return json == null ? undefined : ProgressJson.parse(JSON.parse(json));
}

export function parseLook(json: string | undefined): Look | undefined {
  return json === undefined ? undefined : LookJson.parse(JSON.parse(json));
}
