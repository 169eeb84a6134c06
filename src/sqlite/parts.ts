import type { Database, Statement } from "bun:sqlite";

import type { PartRow } from "./rows.ts";

/** What reads the parts of a deployment, in their order. */
export function selectParts(database: Database): Statement<PartRow, [string]> {
  return database.query<PartRow, [string]>(
    "SELECT service, image, digest, from_digest, traffic FROM parts WHERE deployment = ? ORDER BY position",
  );
}
