import { Database } from "bun:sqlite";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import type { Look, Store } from "../core/store.ts";
import { bootId } from "../system/boot.ts";
import { createBroughtImages } from "./brought-images.ts";
import { createDeployments } from "./deployments.ts";
import { createHistory } from "./history.ts";
import { migrate } from "./migrate.ts";
import { createRejected } from "./rejected.ts";
import { refusal } from "./refusal.ts";
import { parseLook } from "./rows.ts";
import { assertSound, closeSound, howLeft, noteBoot } from "./soundness.ts";
import { createVersions } from "./versions.ts";
import { transaction } from "./transaction.ts";

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

  const selectFact = database.query<{ value: string }, [string]>("SELECT value FROM facts WHERE name = ?");
  const replaceFact = database.query("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)");
  const check = transaction(database, () => replaceFact.run("checked", ""));
  return {
    ...createHistory(database),
    ...createDeployments(database),
    ...createVersions(database),
    ...createBroughtImages(database),
    ...createRejected(database),
    lastLook: () => parseLook(selectFact.get("look")?.value),
    saveLook: (look: Look) => void replaceFact.run("look", JSON.stringify(look)),
    projectName: () => selectFact.get("project")?.value,
    saveProjectName: (name: string) => void replaceFact.run("project", name),
    hadRules: () => selectFact.get("rules") !== null,
    noteRules: () => void replaceFact.run("rules", ""),
    check: () => void check(),
    close: () => closeSound(database, path),
  };
}

function open(path: string, boot: string): Database {
  let database: Database | undefined;
  try {
    const left = howLeft(path);
    // Without `safeIntegers`: every number in it was a safe integer of ours (times in ms, checked run numbers, counts).
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
    throw refusal(path, cause);
  }
}
