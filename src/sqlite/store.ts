import { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Deployment } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import type { Run } from "../core/order.ts";
import type { Acceptance, Before, Look, Origin, Pin, Store } from "../core/store.ts";
import { bootId } from "../system/boot.ts";
import { createHistory } from "./history.ts";
import { migrate } from "./migrate.ts";
import { type DeploymentRow, fromRow, parseBefore, parseLook, toRow } from "./rows.ts";
import { assertSound, closeSound, howLeft, noteBoot } from "./soundness.ts";

const BUSY_TIMEOUT_MS = 5_000;
const FILE = "deployer.db";

/** The store, and how to let go of it. */
export type OpenStore = Store & {
  /** Throws when the database cannot be written to. */
  check(): void;
  close(): void;
};

/**
 * Opens `STATE_DIR/deployer.db`. WAL with synchronous FULL: what a call has written survives a kill and a power loss.
 * Errors: `config` for a file that is damaged or of a newer version; it is never deleted or repaired by guesswork.
 */
export function openStore(stateDir: string, boot: string = bootId()): OpenStore {
  const path = join(stateDir, FILE);
  const database = open(path, boot);

  const insert = database.query(
    `INSERT INTO deployments (id, service, image, force, issuer, status, reason, code, changed, digest, superseded_by, created_at, started_at, ended_at)
     VALUES ($id, $service, $image, $force, $issuer, $status, $reason, $code, $changed, $digest, $superseded_by, $created_at, $started_at, $ended_at)`,
  );
  const update = database.query(
    `UPDATE deployments SET force = $force, status = $status, reason = $reason, code = $code, changed = $changed, digest = $digest,
       superseded_by = $superseded_by, started_at = $started_at, ended_at = $ended_at WHERE id = $id`,
  );
  const select = database.query<DeploymentRow, [string]>("SELECT * FROM deployments WHERE id = ?");
  const selectUnfinished = database.query<DeploymentRow, []>(
    "SELECT * FROM deployments WHERE ended_at IS NULL ORDER BY rowid",
  );
  const selectKey = database.query<{ request: string; deployment: string }, [string, string, number]>(
    "SELECT request, deployment FROM spent_keys WHERE issuer = ? AND key = ? AND expires_at > ?",
  );
  const replaceKey = database.query(
    `INSERT OR REPLACE INTO spent_keys (issuer, key, request, deployment, expires_at)
     VALUES ($issuer, $key, $request, $deployment, $expiresAt)`,
  );
  const deleteExpiredKeys = database.query("DELETE FROM spent_keys WHERE expires_at <= ?");
  const selectGuard = database.query<Run & { deployment: string }, [string, string]>(
    "SELECT workflow, number, attempt, deployment FROM guards WHERE service = ? AND workflow = ?",
  );
  const replaceGuard = database.query(
    `INSERT OR REPLACE INTO guards (service, workflow, number, attempt, deployment)
     VALUES ($service, $workflow, $number, $attempt, $deployment)`,
  );
  const updateBefore = database.query("UPDATE deployments SET before = ? WHERE id = ?");
  const updateSwitching = database.query(
    "UPDATE deployments SET before = json_set(before, '$.switching', json('true')) WHERE id = ?",
  );
  const selectPins = database.query<Pin, []>(
    `SELECT service, image_text AS imageText, file_image AS fileImage, digest, recorded, deployment FROM pins ORDER BY service`,
  );
  const replacePin = database.query(
    `INSERT OR REPLACE INTO pins (service, image_text, file_image, digest, recorded, deployment)
     VALUES ($service, $imageText, $fileImage, $digest, $recorded, $deployment)`,
  );
  const deletePin = database.query("DELETE FROM pins WHERE service = ?");
  const selectOrigin = database.query<Origin, [string]>(
    "SELECT container, service, config_hash AS configHash, recorded FROM origins WHERE container = ?",
  );
  const replaceOrigin = database.query(
    "INSERT OR REPLACE INTO origins (container, service, config_hash, recorded) VALUES ($container, $service, $configHash, $recorded)",
  );
  const deleteOrigins = database.query("DELETE FROM origins WHERE service = ?");
  const selectNeededRecords = database.query<{ recorded: string }, []>(
    `SELECT recorded FROM pins UNION SELECT recorded FROM origins
     UNION SELECT json_extract(before, '$.recorded') FROM deployments WHERE ended_at IS NULL AND before IS NOT NULL`,
  );
  const selectFact = database.query<{ value: string }, [string]>("SELECT value FROM facts WHERE name = ?");
  const replaceFact = database.query("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)");

  function change(deployment: Deployment): void {
    const { id, force, status, reason, code, changed, digest, superseded_by, started_at, ended_at } =
      toRow(deployment);
    update.run({ id, force, status, reason, code, changed, digest, superseded_by, started_at, ended_at });
  }
  const accept = database.transaction((deployment: Deployment, acceptance?: Acceptance) => {
    insert.run(toRow(deployment));
    if (acceptance === undefined) return;
    const { superseded, key, run } = acceptance;
    for (const other of superseded) change(other);
    deleteExpiredKeys.run(deployment.createdAt);
    if (key !== undefined) replaceKey.run({ ...key, deployment: deployment.id });
    if (run !== undefined)
      replaceGuard.run({ ...run, service: deployment.service, deployment: deployment.id });
  });
  const commit = database.transaction((pin: Pin, origins: Origin[]) => {
    replacePin.run(pin);
    deleteOrigins.run(pin.service);
    for (const origin of origins) replaceOrigin.run(origin);
  });
  const saveOrigins = database.transaction((origins: Origin[]) => {
    for (const origin of origins) replaceOrigin.run(origin);
  });

  return {
    ...createHistory(database),
    insert: (deployment: Deployment, acceptance?: Acceptance) => accept.immediate(deployment, acceptance),
    update: change,
    find: (id: string) => fromRow(select.get(id)),
    unfinished: () => selectUnfinished.all().map((row) => fromRow(row)),
    spentKey: (issuer: string, key: string, now: number) => selectKey.get(issuer, key, now) ?? undefined,
    guard: (service: string, workflow: string) => {
      const found = selectGuard.get(service, workflow);
      if (found === null) return undefined;
      const { deployment, ...run } = found;
      return { run, deployment };
    },
    saveBefore: (id: string, before: Before) => void updateBefore.run(JSON.stringify(before), id),
    saveSwitching: (id: string) => void updateSwitching.run(id),
    before: (id: string) => parseBefore(select.get(id)?.before),
    pins: () => selectPins.all(),
    commit: (pin: Pin, origins: Origin[]) => commit.immediate(pin, origins),
    dropPin: (service: string) => void deletePin.run(service),
    origin: (container: string) => selectOrigin.get(container) ?? undefined,
    saveOrigins: (origins: Origin[]) => saveOrigins.immediate(origins),
    neededRecords: () => new Set(selectNeededRecords.all().map(({ recorded }) => recorded)),
    lastLook: () => parseLook(selectFact.get("look")?.value),
    saveLook: (look: Look) => void replaceFact.run("look", JSON.stringify(look)),
    projectName: () => selectFact.get("project")?.value,
    saveProjectName: (name: string) => void replaceFact.run("project", name),
    check: () => database.transaction(() => replaceFact.run("checked", "")).immediate(),
    close: () => closeSound(database, path),
  };
}

function open(path: string, boot: string): Database {
  let database: Database | undefined;
  try {
    const left = howLeft(path);
    database = new Database(path, { create: true, strict: true });
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA foreign_keys = ON");
    assertSound(database, left, boot);
    migrate(database, path);
    noteBoot(database, boot);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof DeployerError) throw cause;
    throw new DeployerError(
      "config",
      `${path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}; put a backup in its place, or move it away to start without history (services are adopted as they run)`,
      { cause },
    );
  }
}
