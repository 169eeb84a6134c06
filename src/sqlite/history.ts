import type { Database } from "bun:sqlite";

import { type DeploymentEvent, type History, MOST_READ_KEYS, type ReadKey } from "../core/history.ts";
import { listing } from "./listing.ts";
import { selectParts } from "./parts.ts";
import { type DeploymentRow, toSummary } from "./rows.ts";

/** The part of the store that people read. */
export function createHistory(database: Database): Omit<History, "addRejections" | "rejections"> {
  const partsOf = selectParts(database);
  const insertEvent = database.query(
    `INSERT INTO events (deployment, seq, at, phase, level, text)
     VALUES ($deployment, (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE deployment = $deployment), $at, $phase, $level, $text)`,
  );
  const selectEvents = database.query<DeploymentEvent, [string, number, number]>(
    "SELECT seq, at, phase, level, text FROM events WHERE deployment = ? AND seq > ? ORDER BY seq LIMIT ?",
  );
  const insertReadKey = database.query(
    `INSERT INTO read_keys (hash, deployment, output, expires_at) SELECT $hash, $deployment, $output, $expiresAt
     WHERE (SELECT COUNT(*) FROM read_keys WHERE deployment = $deployment) < ${MOST_READ_KEYS}`,
  );
  const selectReadKey = database.query<Omit<ReadKey, "output"> & { output: number }, [string]>(
    "SELECT hash, deployment, output, expires_at AS expiresAt FROM read_keys WHERE hash = ?",
  );
  const deleteReadKeys = database.query("DELETE FROM read_keys WHERE expires_at <= ?");
  const selectOldestKept = database.query<Place, [number]>(
    "SELECT created_at AS createdAt, id FROM deployments ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET ?",
  );
  const deleteOld = database.query(
    `DELETE FROM deployments WHERE id IN (
       SELECT id FROM deployments WHERE (created_at, id) < ($createdAt, $id)
         AND ended_at IS NOT NULL
         AND id NOT IN (SELECT deployment FROM pins UNION ALL SELECT deployment FROM versions)
       ORDER BY created_at, id LIMIT $batch)`,
  );

  return {
    list(query) {
      const { sql, values } = listing(query);
      return database
        .query<DeploymentRow, (string | number)[]>(sql)
        .all(...values)
        .map((row) => toSummary(row, partsOf.all(row.id)));
    },
    addEvent: (deployment, { at, phase, level, text }) =>
      void insertEvent.run({ deployment, at, phase, level, text }),
    events: (deployment, after, limit) => selectEvents.all(deployment, after, limit),
    saveReadKey: (key) => insertReadKey.run({ ...key, output: Number(key.output) }).changes === 1,
    readKey(hash) {
      const found = selectReadKey.get(hash);
      return found === null ? undefined : { ...found, output: found.output === 1 };
    },
    dropExpiredReadKeys: (now) => void deleteReadKeys.run(now),
    prune({ createdBefore, keep, batch }) {
      const byAge: Place = { createdAt: createdBefore, id: "" };
      const byNumber = selectOldestKept.get(keep - 1) ?? byAge;
      const { createdAt, id } = byNumber.createdAt < byAge.createdAt ? byAge : byNumber;
      return deleteOld.run({ createdAt, id, batch }).changes;
    },
  };
}

/** Where a deployment stands in the order of time. */
type Place = { createdAt: number; id: string };
