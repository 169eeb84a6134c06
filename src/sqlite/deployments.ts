import type { Database } from "bun:sqlite";

import { type Deployment, servicesOf } from "../core/deployment.ts";
import type { Acceptance, Progress, Store } from "../core/store.ts";
import { createGuards } from "./guards.ts";
import { selectParts } from "./parts.ts";
import { type DeploymentRow, parseDiagnoses, parseProgress, toPartRow, toRow, toSummary } from "./rows.ts";
import { transaction } from "./transaction.ts";

type Deployments = Pick<
  Store,
  | "insert"
  | "update"
  | "find"
  | "unfinished"
  | "saveProgress"
  | "progress"
  | "spentKey"
  | "spendKeys"
  | "guard"
  | "guards"
  | "dropGuards"
>;

/** The part of the store that accepts deployments and follows each to its end. */
export function createDeployments(database: Database): Deployments {
  const insertDeployment = database.query(
    `INSERT INTO deployments (id, kind, target_deployment, force, issuer, status, reason, code, changed, superseded_by, attempts, created_at, started_at, ended_at)
     VALUES ($id, $kind, $target_deployment, $force, $issuer, $status, $reason, $code, $changed, $superseded_by, $attempts, $created_at, $started_at, $ended_at)`,
  );
  const insertPart = database.query(
    `INSERT INTO parts (deployment, position, service, image, digest, from_digest, traffic, created_at, status)
     VALUES ($deployment, $position, $service, $image, $digest, $from_digest, $traffic, $created_at, $status)`,
  );
  const updateDeployment = database.query(
    `UPDATE deployments SET target_deployment = $target_deployment, force = $force, status = $status, reason = $reason, code = $code,
       changed = $changed, superseded_by = $superseded_by, attempts = $attempts, started_at = $started_at,
       ended_at = $ended_at, progress = CASE WHEN $ended_at IS NULL OR id IN (SELECT deployment FROM pins) THEN progress END
     WHERE id = $id`,
  );
  const updatePart = database.query(
    "UPDATE parts SET image = $image, digest = $digest, from_digest = $from_digest, traffic = $traffic WHERE deployment = $deployment AND service = $service",
  );
  const select = database.query<DeploymentRow, [string]>("SELECT * FROM deployments WHERE id = ?");
  const selectUnfinished = database.query<DeploymentRow, []>(
    "SELECT * FROM deployments WHERE ended_at IS NULL ORDER BY rowid",
  );
  const partsOf = selectParts(database);
  const replaceDiagnoses = database.query(
    "INSERT OR REPLACE INTO diagnoses (deployment, containers) VALUES (?, ?)",
  );
  const selectDiagnoses = database.query<{ containers: string }, [string]>(
    "SELECT containers FROM diagnoses WHERE deployment = ?",
  );
  const updateProgress = database.query("UPDATE deployments SET progress = ? WHERE id = ?");
  const selectProgress = database.query<{ progress: string | null }, [string]>(
    "SELECT progress FROM deployments WHERE id = ?",
  );
  const guards = createGuards(database);

  function add(deployment: Deployment): void {
    const { id, parts, createdAt, status } = deployment;
    insertDeployment.run(toRow(deployment));
    for (const [position, part] of parts.entries())
      insertPart.run({ ...toPartRow(part), deployment: id, position, created_at: createdAt, status });
    keepDiagnoses(deployment);
  }
  function change(deployment: Deployment): void {
    const { kind: _kind, issuer: _issuer, created_at: _createdAt, ...changeable } = toRow(deployment);
    updateDeployment.run(changeable);
    for (const part of deployment.parts) updatePart.run({ ...toPartRow(part), deployment: deployment.id });
    keepDiagnoses(deployment);
  }
  function keepDiagnoses({ id, diagnoses }: Deployment): void {
    if (diagnoses.length > 0) replaceDiagnoses.run(id, JSON.stringify(diagnoses));
  }
  const whole = (row: DeploymentRow): Deployment => ({
    ...toSummary(row, partsOf.all(row.id)),
    diagnoses: parseDiagnoses(selectDiagnoses.get(row.id)?.containers),
  });
  const update = transaction(database, change);
  const insert = transaction(database, (deployment: Deployment, acceptance?: Acceptance) => {
    add(deployment);
    if (acceptance === undefined) return;
    for (const other of acceptance.superseded) change(other);
    guards.spend(acceptance.keys, deployment);
    if (acceptance.run !== undefined) guards.move(servicesOf(deployment), acceptance.run, deployment.id);
  });

  return {
    insert: (deployment, acceptance) => insert(deployment, acceptance),
    update: (deployment) => update(deployment),
    find(id) {
      const row = select.get(id);
      return row === null ? undefined : whole(row);
    },
    unfinished: () => selectUnfinished.all().map(whole),
    saveProgress: (id: string, progress: Progress) => void updateProgress.run(JSON.stringify(progress), id),
    progress: (id) => parseProgress(selectProgress.get(id)?.progress),
    spentKey: guards.spentKey,
    spendKeys: guards.spendKeys,
    guard: guards.guard,
    guards: guards.guards,
    dropGuards: guards.dropGuards,
  };
}
