import { readFileSync, statSync } from "node:fs";

import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { Issuer } from "../core/rules.ts";
import { type KeysAt, readRules } from "./read.ts";

const REREAD_INTERVAL_MS = 1000;
const MAX_FILE_BYTES = 256 * 1024;

export type RulesFile = {
  /** The issuers from now, undefined as long as there has been no file. Looks at it at most once a second. */
  issuers(): readonly Issuer[] | undefined;
};

export type RulesFileOptions = {
  path: string;
  /** Otherwise it need not be there. */
  isRequired: boolean;
  keysAt: KeysAt;
  log: Pick<Log, "info" | "error">;
  /** Called with the issuers each time they are other ones, before they count: when it throws they do not yet. */
  onChange?: (issuers: readonly Issuer[]) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * Reads the rules and follows their changes. Errors: `config`, with everything that is wrong with the file.
 *
 * After that nothing throws: while the file is gone or cannot be used the rules it had last stay, and it is said once. A
 * file that appears where there was none counts from then on.
 */
export function openRulesFile(options: RulesFileOptions): RulesFile {
  const { path, isRequired, keysAt, log, onChange = () => undefined, now = Date.now } = options;
  let text: string | undefined;
  let issuers: readonly Issuer[] | undefined;
  let problem: string | undefined;
  let readAt = now();
  if (isRequired || isThere(path)) load(readFile(path));

  return {
    issuers() {
      if (Math.abs(now() - readAt) >= REREAD_INTERVAL_MS) reread();
      return issuers;
    },
  };

  function load(fresh: string): void {
    if (fresh === text) return;
    const next = readRules(path, fresh, keysAt);
    onChange(next);
    text = fresh;
    issuers = next;
    log.info("rules loaded", { path, issuers: next.map(({ name }) => name) });
  }

  function reread(): void {
    readAt = now();
    if (issuers === undefined && !isThere(path)) return;
    try {
      load(readFile(path));
      if (problem !== undefined) log.info("the rules can be read again", { path });
      problem = undefined;
    } catch (error) {
      const message = publicMessage(error);
      if (message === problem) return;
      problem = message;
      const what =
        issuers === undefined
          ? "the rules cannot be used, and do not count yet"
          : "the rules cannot be used; those from before stay";
      log.error(what, {
        path,
        problem: message,
        error: error instanceof DeployerError ? error.cause : error,
      });
    }
  }
}

/** What cannot be looked for may be there: reading it says what is in the way. */
function isThere(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function readFile(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw refused(path, "it is not a file");
    if (stat.size > MAX_FILE_BYTES) throw refused(path, `it is larger than ${MAX_FILE_BYTES / 1024} KiB`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof DeployerError) throw error;
    throw refused(path, reasonOf(error));
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file: write it, or correct RULES_FILE";
  if (code === "EACCES") return "this user may not read it: make it readable";
  return `it cannot be read (${String(code ?? error)})`;
}

function refused(path: string, why: string): DeployerError {
  return new DeployerError("config", `${path}: ${why}`);
}
