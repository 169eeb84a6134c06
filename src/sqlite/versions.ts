import type { Database } from "bun:sqlite";

import type { Commit, Origin, Pin, Store, Version } from "../core/store.ts";
import { transaction } from "./transaction.ts";

type Versions = Pick<
  Store,
  | "pins"
  | "commit"
  | "versions"
  | "dropVersion"
  | "dropPin"
  | "origin"
  | "origins"
  | "saveOrigins"
  | "dropOrigin"
  | "neededRecords"
>;

/** The part of the store that knows what services run by decision of a deployment, and what they can go back to. */
export function createVersions(database: Database): Versions {
  const selectPins = database.query<Pin, []>(
    `SELECT service, image_text AS imageText, file_image AS fileImage, digest, recorded, deployment FROM pins ORDER BY service`,
  );
  const replacePin = database.query(
    `INSERT OR REPLACE INTO pins (service, image_text, file_image, digest, recorded, deployment)
     VALUES ($service, $imageText, $fileImage, $digest, $recorded, $deployment)`,
  );
  // What it replaced has been removed since, or is another's to remove.
  const forgetProgress = database.query(
    `UPDATE deployments SET progress = NULL WHERE ended_at IS NOT NULL
       AND id = (SELECT deployment FROM pins WHERE service = ?)`,
  );
  const deletePin = database.query("DELETE FROM pins WHERE service = ?");
  const selectVersions = database.query<Version, { service: string | null }>(
    `SELECT service, deployment, image_text AS imageText, file_image AS fileImage, digest, image_id AS imageId, recorded,
       config_hash AS configHash, number, committed_at AS committedAt FROM versions WHERE $service IS NULL OR service = $service ORDER BY seq DESC`,
  );
  // Without its old `seq`: what is committed again is the newest again.
  const replaceVersion = database.query(
    `INSERT OR REPLACE INTO versions (service, deployment, image_text, file_image, digest, image_id, recorded, config_hash, number, committed_at)
     VALUES ($service, $deployment, $imageText, $fileImage, $digest, $imageId, $recorded, $configHash, $number, $committedAt)`,
  );
  const deleteVersion = database.query("DELETE FROM versions WHERE service = ? AND deployment = ?");
  const selectOrigin = database.query<Origin, [string]>(
    "SELECT container, service, config_hash AS configHash, recorded FROM origins WHERE container = ?",
  );
  const selectOrigins = database.query<Origin, []>(
    "SELECT container, service, config_hash AS configHash, recorded FROM origins ORDER BY container",
  );
  const deleteOrigin = database.query("DELETE FROM origins WHERE container = ?");
  const replaceOrigin = database.query(
    "INSERT OR REPLACE INTO origins (container, service, config_hash, recorded) VALUES ($container, $service, $configHash, $recorded)",
  );
  const deleteOrigins = database.query("DELETE FROM origins WHERE service = ?");
  const selectNeededRecords = database.query<{ recorded: string }, []>(
    `WITH plans AS (
       SELECT plan.value FROM deployments, json_each(progress, '$.plans') AS plan WHERE ended_at IS NULL AND progress IS NOT NULL)
     SELECT recorded FROM (
       SELECT recorded FROM pins UNION SELECT recorded FROM versions UNION SELECT recorded FROM origins
       UNION SELECT value ->> '$.before.recorded' FROM plans UNION SELECT value ->> '$.version.recorded' FROM plans)
     WHERE recorded <> ''`,
  );

  const commit = transaction(database, (commits: readonly Commit[]) => {
    for (const { pin, version, origins } of commits) {
      forgetProgress.run(pin.service);
      replacePin.run(pin);
      replaceVersion.run(version);
      deleteOrigins.run(pin.service);
      for (const origin of origins) replaceOrigin.run(origin);
    }
  });
  const saveOrigins = transaction(database, (origins: Origin[]) => {
    for (const origin of origins) replaceOrigin.run(origin);
  });

  return {
    pins: () => selectPins.all(),
    commit: (commits) => commit(commits),
    versions: (service) => selectVersions.all({ service: service ?? null }),
    dropVersion: ({ service, deployment }) => void deleteVersion.run(service, deployment),
    dropPin: (service) => void deletePin.run(service),
    origin: (container) => selectOrigin.get(container) ?? undefined,
    origins: () => selectOrigins.all(),
    saveOrigins: (origins) => saveOrigins(origins),
    dropOrigin: (container) => void deleteOrigin.run(container),
    neededRecords: () => new Set(selectNeededRecords.all().map(({ recorded }) => recorded)),
  };
}
