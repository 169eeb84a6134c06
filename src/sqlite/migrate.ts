import type { Database } from "bun:sqlite";

import { DeployerError } from "../core/errors.ts";
import initial from "./migrations/0001_initial.sql" with { type: "text" };
import history from "./migrations/0002_history.sql" with { type: "text" };
import queue from "./migrations/0003_queue.sql" with { type: "text" };
import gated from "./migrations/0004_gated.sql" with { type: "text" };
import broughtImages from "./migrations/0005_brought_images.sql" with { type: "text" };
import traffic from "./migrations/0006_traffic.sql" with { type: "text" };
import readOutput from "./migrations/0007_read_output.sql" with { type: "text" };
import once from "./migrations/0008_once.sql" with { type: "text" };
import from from "./migrations/0009_from.sql" with { type: "text" };
import { transaction } from "./transaction.ts";

/** In order; the database's `user_version` is the number of those applied. */
const MIGRATIONS: readonly string[] = [
  initial,
  history,
  queue,
  gated,
  broughtImages,
  traffic,
  readOutput,
  once,
  from,
];

/** Brings the schema up to date, each step in a transaction of its own. Errors: `config` for a database of a newer version. */
export function migrate(database: Database, path: string): void {
  const applied = version(database);
  if (applied > MIGRATIONS.length) {
    throw new DeployerError(
      "config",
      `${path} was written by a newer deployer-service (schema ${applied}, this one knows ${MIGRATIONS.length}): install that version again, or move the file away to start without history`,
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < applied) continue;
    transaction(database, () => {
      database.run(sql);
      database.run(`PRAGMA user_version = ${index + 1}`);
    })();
  }
}

function version(database: Database): number {
  const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
}
