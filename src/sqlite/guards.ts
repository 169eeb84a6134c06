import type { Database } from "bun:sqlite";

import type { Deployment } from "../core/deployment.ts";
import type { Run } from "../core/order.ts";
import type { KeyKind, SpentKey } from "../core/repeat-key.ts";
import type { Store } from "../core/store.ts";
import { transaction } from "./transaction.ts";

type Guards = Pick<Store, "spentKey" | "spendKeys" | "guard" | "guards" | "dropGuards"> & {
  /** Forgets keys that have expired, and keeps those that this deployment was asked for with. */
  spend(keys: readonly SpentKey[], deployment: Pick<Deployment, "id" | "createdAt">): void;
  /** The order guards of these services stand at this run from now on, but for those that are farther already. */
  move(services: readonly string[], run: Run, deployment: string): void;
};

type GuardRow = Run & { service: string; deployment: string };

/** What keeps a request from starting anything twice, or too late. */
export function createGuards(database: Database): Guards {
  const selectKey = database.query<
    { request: string; deployment: string },
    [string, KeyKind, string, number]
  >("SELECT request, deployment FROM spent_keys WHERE owner = ? AND kind = ? AND key = ? AND expires_at > ?");
  const replaceKey = database.query(
    `INSERT OR REPLACE INTO spent_keys (owner, kind, key, request, deployment, expires_at)
     VALUES ($owner, $kind, $key, $request, $deployment, $expiresAt)`,
  );
  const deleteExpiredKeys = database.query("DELETE FROM spent_keys WHERE expires_at <= ?");
  const selectGuard = database.query<GuardRow, [string, string]>(
    "SELECT * FROM guards WHERE service = ? AND workflow = ?",
  );
  const selectGuards = database.query<GuardRow, { service: string | null }>(
    "SELECT * FROM guards WHERE $service IS NULL OR service = $service ORDER BY service, workflow",
  );
  const advanceGuard = database.query(
    `INSERT INTO guards (service, workflow, number, attempt, deployment)
     VALUES ($service, $workflow, $number, $attempt, $deployment)
     ON CONFLICT DO UPDATE SET number = excluded.number, attempt = excluded.attempt, deployment = excluded.deployment
       WHERE (excluded.number, excluded.attempt) >= (guards.number, guards.attempt)`,
  );
  const deleteGuards = database.query("DELETE FROM guards WHERE service = ?");

  const keep = transaction(database, (keys: readonly SpentKey[], deployment: string) => {
    for (const key of keys) replaceKey.run({ ...key, deployment });
  });

  return {
    spentKey: ({ kind, owner, key }, now) => selectKey.get(owner, kind, key, now) ?? undefined,
    spendKeys: (keys, deployment) => keep(keys, deployment),
    guard(service, workflow) {
      const found = selectGuard.get(service, workflow);
      return found === null ? undefined : { run: runOf(found), deployment: found.deployment };
    },
    guards: (service) =>
      selectGuards.all({ service: service ?? null }).map((row) => ({
        service: row.service,
        run: runOf(row),
        deployment: row.deployment,
      })),
    dropGuards: (service) => deleteGuards.run(service).changes,
    spend(keys, { id, createdAt }) {
      deleteExpiredKeys.run(createdAt);
      for (const key of keys) replaceKey.run({ ...key, deployment: id });
    },
    move(services, run, deployment) {
      for (const service of services) advanceGuard.run({ ...run, service, deployment });
    },
  };
}

function runOf({ workflow, number, attempt }: GuardRow): Run {
  return { workflow, number, attempt };
}
