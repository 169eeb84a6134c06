import type { DeploymentQuery } from "../core/history.ts";

const COLUMNS = `deployments.id, kind, target_deployment, force, issuer, deployments.status, reason, code, changed, superseded_by,
  attempts, deployments.created_at, started_at, ended_at`;

/** A CROSS JOIN is SQLite's way of saying which table comes first (https://www.sqlite.org/optoverview.html#crossjoin). */
const PARTS_FIRST = "parts CROSS JOIN deployments ON deployments.id = parts.deployment";

/** What may not be read is left out while the index is followed. */
const ALL_READABLE = `NOT EXISTS (SELECT 1 FROM parts AS each WHERE each.deployment = deployments.id
  AND each.service NOT IN (SELECT value FROM json_each(?)))`;

/** What lists deployments: one of sixteen statements, each read straight from the index that fits it. */
export function listing({ service, status, readable, before, limit }: DeploymentQuery): {
  sql: string;
  values: (string | number)[];
} {
  const [from, at, id] =
    service === undefined
      ? ["deployments", "deployments.created_at", "deployments.id"]
      : [PARTS_FIRST, "parts.created_at", "parts.deployment"];
  const conditions: [sql: string, values: (string | number)[]][] = [];
  if (service !== undefined) conditions.push(["parts.service = ?", [service]]);
  if (status !== undefined)
    conditions.push([`${service === undefined ? "deployments" : "parts"}.status = ?`, [status]]);
  if (readable !== "all") conditions.push([ALL_READABLE, [JSON.stringify([...readable])]]);
  if (before !== undefined) conditions.push([`(${at}, ${id}) < (?, ?)`, [before.createdAt, before.id]]);
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.map(([sql]) => sql).join(" AND ")}`;
  return {
    sql: `SELECT ${COLUMNS} FROM ${from} ${where} ORDER BY ${at} DESC, ${id} DESC LIMIT ?`,
    values: [...conditions.flatMap(([, values]) => values), limit],
  };
}
