import { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Deployment } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import type { Before, Look, Origin, Pin, Store } from "../core/ports.ts";
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
    `INSERT INTO deployments (id, service, image, force, issuer, status, reason, code, changed, digest, created_at, started_at, ended_at)
     VALUES ($id, $service, $image, $force, $issuer, $status, $reason, $code, $changed, $digest, $created_at, $started_at, $ended_at)`,
  );
  const update = database.query(
    `UPDATE deployments SET status = $status, reason = $reason, code = $code, changed = $changed, digest = $digest,
       started_at = $started_at, ended_at = $ended_at WHERE id = $id`,
  );
  const select = database.query<DeploymentRow, [string]>("SELECT * FROM deployments WHERE id = ?");
  const selectUnfinished = database.query<DeploymentRow, []>(
    "SELECT * FROM deployments WHERE ended_at IS NULL ORDER BY created_at, id",
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
  const selectFact = database.query<{ value: string }, [string]>("SELECT value FROM facts WHERE name = ?");
  const replaceFact = database.query("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)");

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
    insert: (deployment: Deployment) => void insert.run(toRow(deployment)),
    update: (deployment: Deployment) => {
      const { id, status, reason, code, changed, digest, started_at, ended_at } = toRow(deployment);
      update.run({ id, status, reason, code, changed, digest, started_at, ended_at });
    },
    find: (id: string) => fromRow(select.get(id)),
    unfinished: () => selectUnfinished.all().map((row) => fromRow(row)),
    saveBefore: (id: string, before: Before) => void updateBefore.run(JSON.stringify(before), id),
    saveSwitching: (id: string) => void updateSwitching.run(id),
    before: (id: string) => parseBefore(select.get(id)?.before),
    pins: () => selectPins.all(),
    commit: (pin: Pin, origins: Origin[]) => commit.immediate(pin, origins),
    dropPin: (service: string) => void deletePin.run(service),
    origin: (container: string) => selectOrigin.get(container) ?? undefined,
    saveOrigins: (origins: Origin[]) => saveOrigins.immediate(origins),
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
