import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { noCertificate } from "./certificate-problems.ts";
import { type Certificates, readCertificates } from "./certificates.ts";

const FOLDER = "certs";
const SOON_MS = 14 * 24 * 60 * 60_000;

/**
 * The certificates as the proxy gets them, in folders named after their content: a configuration and its certificates
 * change in one step, and a proxy that starts anew before that finds those it had.
 */
export type CertificateFolder = {
  /**
   * Reads the operator's folder and writes what can be used.
   * @param current folder that is in use: what it has of a certificate that cannot be used is taken over, and that is said in the log
   * @returns name of the folder with them
   * Errors: `edge`, for one that cannot be used and was not there before, or when there is none
   */
  take(source: string, current: string | undefined): string;
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
  /** What was said once is not said at each deployment. */
  const told = new Set<string>();

  function warnOnce(message: string, fields: Record<string, string>): void {
    const key = JSON.stringify([message, fields]);
    if (told.has(key)) return;
    told.add(key);
    log.warn(message, fields);
  }

  function warnOfEnds({ bundles }: Certificates): void {
    for (const { path, expires } of bundles) {
      const until = new Date(expires).toISOString();
      if (expires <= clock.now()) warnOnce("a certificate of the edge has expired", { path, until });
      else if (expires - clock.now() < SOON_MS)
        warnOnce("a certificate of the edge expires soon", { path, until });
    }
  }

  return {
    take(source, current) {
      const found = readCertificates(source);
      const pems = new Map(found.bundles.map(({ name, pem }) => [name, pem]));
      for (const [name, problem] of found.problems) {
        const old = current === undefined ? [] : readBundles(join(root, current), name);
        if (old.length === 0) throw new DeployerError("edge", `${problem}; see x-deployer.edge.certs`);
        for (const [bundle, pem] of old) pems.set(bundle, pem);
        warnOnce("a new certificate of the edge cannot be used; the old one stays", { problem });
      }
      if (pems.size === 0) throw new DeployerError("edge", noCertificate(source));
      warnOfEnds(found);
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

/** The bundle of this name, or those of the folder of this name. */
function readBundles(folder: string, name: string): [name: string, pem: string][] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".pem") && file.startsWith(`${name}.`))
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
