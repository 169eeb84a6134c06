import { z } from "zod";

import type { Deployment, DeploymentStatus } from "../core/deployment.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Before, Look } from "../core/store.ts";

/** A deployment as the table has it. */
export type DeploymentRow = {
  id: string;
  service: string;
  image: string | null;
  force: number;
  issuer: string;
  status: DeploymentStatus;
  reason: string;
  code: ErrorCode | null;
  changed: number | null;
  digest: string | null;
  superseded_by: string | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  before: string | null;
};

const BeforeJson = z.object({
  running: z.array(z.string()),
  all: z.array(z.string()),
  recorded: z.string(),
  switching: z.boolean().optional(),
});
const LookJson = z.object({ start: z.string(), running: z.array(z.string()) });

export function toRow(deployment: Deployment): Omit<DeploymentRow, "before"> {
  const { id, service, issuer, status, reason } = deployment;
  return {
    id,
    service,
    issuer,
    status,
    reason,
    image: deployment.image ?? null,
    force: Number(deployment.force),
    code: deployment.code ?? null,
    changed: deployment.changed === undefined ? null : Number(deployment.changed),
    digest: deployment.digest ?? null,
    superseded_by: deployment.supersededBy ?? null,
    created_at: deployment.createdAt,
    started_at: deployment.startedAt ?? null,
    ended_at: deployment.endedAt ?? null,
  };
}

export function fromRow(row: DeploymentRow): Deployment;
export function fromRow(row: DeploymentRow | null): Deployment | undefined;
export function fromRow(row: DeploymentRow | null): Deployment | undefined {
  if (row === null) return undefined;
  const { id, service, issuer, status, reason } = row;
  return {
    id,
    service,
    issuer,
    status,
    reason,
    image: row.image ?? undefined,
    force: row.force === 1,
    code: row.code ?? undefined,
    changed: row.changed === null ? undefined : row.changed === 1,
    digest: row.digest ?? undefined,
    supersededBy: row.superseded_by ?? undefined,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}

export function parseBefore(json: string | null | undefined): Before | undefined {
  return json == null ? undefined : BeforeJson.parse(JSON.parse(json));
}

export function parseLook(json: string | undefined): Look | undefined {
  return json === undefined ? undefined : LookJson.parse(JSON.parse(json));
}
