import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { noCertificate } from "./certificate-problems.ts";
import { concerns, expiryOf, readCertificates } from "./certificates.ts";

const FOLDER = "certs";
const DAY_MS = 24 * 60 * 60_000;
const SOON_MS = 14 * DAY_MS;

/**
 * The certificates as the proxy gets them, in folders named after their content: a configuration and its certificates
 * change in one step, and a proxy that starts anew before that finds those it had.
 */
export type CertificateFolder = {
  /**
   * Reads the operator's folder and writes what can be used. What is wrong, and what ends within two weeks, is said in the
   * log, once a day.
   * @param current folder that is in use: what it has of a certificate that cannot be used is taken over
   * @param isSame it is of the same folder of the operator's: while that one is gone or empty, it stays
   * @returns name of the folder with them
   * Errors: `edge`, for one that cannot be used and was not there before, or when there is none
   */
  take(source: string, current: string | undefined, isSame: boolean): string;
  /** Removes all others. */
  keepOnly(current: string | undefined): void;
};

/** @param folder the proxy's folder */
export function createCertificateFolder({
  folder,
  clock,
  log,
}: {
  folder: string;
  clock: Clock;
  log: Log;
}): CertificateFolder {
  const root = join(folder, FOLDER);
  /** The day on which each thing was said last. */
  const told = new Map<string, number>();

  function warnDaily(message: string, fields: Record<string, string>): void {
    const key = JSON.stringify([message, fields]);
    const today = Math.floor(clock.now() / DAY_MS);
    if (told.get(key) === today) return;
    told.set(key, today);
    log.warn(message, fields);
  }

  function warnOfEnd(path: string, expires: number): void {
    const until = new Date(expires).toISOString();
    if (expires <= clock.now()) warnDaily("a certificate of the edge has expired", { path, until });
    else if (expires - clock.now() < SOON_MS)
      warnDaily("a certificate of the edge expires soon", { path, until });
  }

  /** Those of the operator's folder; of what cannot be used, those in use. */
  function find(source: string, current: string | undefined): Map<string, string> {
    const inUse = current === undefined ? [] : readBundles(join(root, current));
    const { bundles, problems } = readCertificates(source);
    const pems = new Map(bundles.map(({ name, pem }) => [name, pem]));
    for (const { path, expires } of bundles) warnOfEnd(path, expires);
    for (const [name, problem] of problems) {
      const old = inUse.filter(([bundle]) => concerns(name, bundle));
      if (old.length === 0) throw new DeployerError("edge", `${problem}; see x-deployer.edge.certs`);
      warnDaily("a new certificate of the edge cannot be used; the old one stays", { problem });
      for (const [bundle, pem] of old) {
        pems.set(bundle, pem);
        warnOfEnd(`${decodeURIComponent(bundle)}, as it was`, expiryOf(pem));
      }
    }
    if (pems.size === 0) throw new DeployerError("edge", noCertificate(source));
    return pems;
  }

  return {
    take(source, current, isSame) {
      if (isSame && current !== undefined && existsSync(join(root, current)) && isGone(source)) {
        warnDaily("the certificates of the edge are gone; those it has stay", { folder: source });
        for (const [bundle, pem] of readBundles(join(root, current)))
          warnOfEnd(`${decodeURIComponent(bundle)}, as it was`, expiryOf(pem));
        return current;
      }
      const pems = find(source, current);
      const id = idOf(pems);
      mkdirSync(join(root, id), { recursive: true, mode: 0o700 });
      for (const [name, pem] of pems) {
        const path = join(root, id, `${name}.pem`);
        if (!existsSync(path)) writeFileAtomically(path, pem);
      }
      return id;
    },
    keepOnly(current) {
      if (!existsSync(root)) return;
      for (const name of readdirSync(root))
        if (name !== current) rmSync(join(root, name), { recursive: true, force: true });
    },
  };
}

function isGone(source: string): boolean {
  return !existsSync(source) || readdirSync(source).length === 0;
}

function readBundles(folder: string): [name: string, pem: string][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".pem"))
    .map((file) => [file.slice(0, -".pem".length), readFileSync(join(folder, file), "utf8")]);
}

/** Where the proxy's configuration finds them. */
export function certificatePath(id: string): string {
  return `${FOLDER}/${id}`;
}

function idOf(pems: ReadonlyMap<string, string>): string {
  const sorted = [...pems].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16);
}
