import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type PublicKey, readPublicKey } from "./keys.ts";

const REREAD_INTERVAL_MS = 1000;
const MAX_FILE_BYTES = 64 * 1024;
/** Every key is one more signature check for a token that is refused. */
const MAX_FILES = 16;
const KEY_FILE = /^[^.].*\.(pem|pub|crt|cer)$/;

export type KeyStore = {
  /** The keys that tokens are accepted from now, each once. Looks at the files at most once a second. */
  keys(): readonly PublicKey[];
};

export type KeyStoreOptions = {
  /** A PEM file, or a directory whose `*.pem`, `*.pub`, `*.crt` and `*.cer` files each hold one key. */
  path: string;
  log: Pick<Log, "info" | "error">;
  /** The setting that names the path, said before what is wrong with it. Default: none. */
  setting?: string;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * Reads the verification keys and follows their changes. Throws `config`, naming every file and what is wrong with it.
 *
 * After that nothing throws: a file that has become unusable keeps the key it had, and that is logged once. A file that is
 * gone takes its key with it, also the last one, and even while another file is broken: that is how a key is revoked.
 */
export function openKeyStore({ path, log, setting, now = Date.now }: KeyStoreOptions): KeyStore {
  let { files, problems } = readKeyFiles(path, []);
  if (problems.length > 0)
    throw new DeployerError("config", `${setting === undefined ? "" : `${setting}: `}${problems.join("; ")}`);
  let keys = distinct(files);
  let readAt = now();
  logKeys();

  return {
    keys() {
      if (Math.abs(now() - readAt) >= REREAD_INTERVAL_MS) reread();
      return keys;
    },
  };

  function reread(): void {
    readAt = now();
    const next = readKeyFiles(path, files);
    const changed =
      next.files.length !== files.length || next.files.some((file, index) => file !== files[index]);
    const said = problems.join("; ");
    ({ files, problems } = next);
    if (changed) {
      keys = distinct(files);
      logKeys();
    }
    if (problems.length > 0 && problems.join("; ") !== said) log.error(trouble(), { path, problems });
  }

  function trouble(): string {
    return files.length === 0
      ? "no verification key is left: every token is refused"
      : "verification keys cannot be re-read; those known before stay in use";
  }

  function logKeys(): void {
    const loaded = files.map(({ file, key }) => ({
      file,
      algorithm: key.algorithm,
      sha256: key.fingerprint,
    }));
    log.info("verification keys loaded", { path, keys: loaded });
  }
}

type KeyFile = { file: string; text: string; key: PublicKey };
type KeyFiles = { files: readonly KeyFile[]; problems: string[] };

/** Whole files are compared instead of their times: a change within one tick of the file system's clock is seen too. */
function readKeyFiles(path: string, before: readonly KeyFile[]): KeyFiles {
  const problems: string[] = [];
  const files: KeyFile[] = [];
  for (const file of listKeyFiles(path, before, problems)) {
    const known = before.find((one) => one.file === file);
    try {
      const text = readKeyFile(file);
      files.push(known?.text === text ? known : { file, text, key: readPublicKey(text) });
    } catch (error) {
      problems.push(`${file}: ${reason(error)}`);
      if (known !== undefined && !isGone(error)) files.push(known);
    }
  }
  return { files, problems };
}

/** @param problems what is wrong with the path itself is added to them; those of the keys known before are then asked again */
function listKeyFiles(path: string, before: readonly KeyFile[], problems: string[]): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path)
      .filter((name) => KEY_FILE.test(name))
      .toSorted();
    if (names.length === 0)
      problems.push(`${path}: the directory holds no *.pem, *.pub, *.crt or *.cer file`);
    if (names.length <= MAX_FILES) return names.map((name) => join(path, name));
    problems.push(`${path}: the directory holds ${names.length} key files, more than ${MAX_FILES}`);
  } catch (error) {
    problems.push(`${path}: ${reason(error)}`);
    if (isGone(error)) return [];
  }
  return before.map(({ file }) => file);
}

function readKeyFile(file: string): string {
  const stat = statSync(file);
  if (!stat.isFile()) throw new DeployerError("config", "not a regular file");
  if (stat.size > MAX_FILE_BYTES)
    throw new DeployerError("config", `larger than ${MAX_FILE_BYTES} bytes, not a key file`);
  return readFileSync(file, "utf8");
}

function reason(error: unknown): string {
  switch (systemCode(error)) {
    case "ENOENT":
      return "no such file or directory";
    case "EACCES":
      return "permission denied";
    case undefined:
      return publicMessage(error);
    default:
      return `cannot be read (${systemCode(error)})`;
  }
}

function isGone(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "");
}

function systemCode(error: unknown): string | undefined {
  if (error instanceof DeployerError || !(error instanceof Error) || !("code" in error)) return undefined;
  return String(error.code);
}

function distinct(files: readonly KeyFile[]): PublicKey[] {
  return [...new Map(files.map(({ key }) => [key.fingerprint, key])).values()];
}
