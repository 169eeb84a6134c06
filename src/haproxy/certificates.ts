import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, extname, join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { whyUnusable } from "../system/folder-error.ts";

const EXTENSIONS = new Set([".pem", ".crt", ".cert", ".cer", ".key"]);
const MOST_BYTES = 1024 * 1024;
const WITHOUT_KEY =
  "is a certificate without its key: put the key into it, or beside it as a file of its own";
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** A traditional one with a passphrase has headers (RFC 1421), and dashes in them. */
const KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----/s;
/** Between the names of a folder and of a file in it: neither has one once it is written for a file name. */
const IN_FOLDER = "+";

/** A certificate with its chain and its key. */
type Bundle = {
  /** Of the file that it is written to, without `.pem`: that of the file its certificate is in, with its folder's. */
  name: string;
  /** The file that the certificate is in. */
  path: string;
  pem: string;
  /** Milliseconds since the epoch. */
  expires: number;
};

export type Certificates = {
  bundles: Bundle[];
  /** What cannot be used, by the name of the bundle that it would be, or the beginning of those of its folder: file and what is wrong. */
  problems: Map<string, string>;
};

type PemFile = {
  path: string;
  certificates: string[];
  leaf: X509Certificate | undefined;
  key: { text: string; object: KeyObject } | undefined;
};

/**
 * Reads the certificates of a folder and of the folders in it, links followed: a file with certificate and key, or one for
 * each; which key belongs to which certificate is asked of the keys, not of the names. Other files are left alone. A folder in
 * it is taken as a whole: while one of its files is damaged, another may be half written as well.
 * Errors: `edge`, when the folder cannot be read.
 */
export function readCertificates(folder: string): Certificates {
  const found: Certificates = { bundles: [], problems: new Map() };
  try {
    const top = readFolder(folder, "");
    found.bundles.push(...top.bundles);
    for (const { name, problem } of top.unusable) found.problems.set(name, problem);
    for (const { name } of entriesOf(folder)) {
      if (statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() !== true) continue;
      const { bundles, unusable, isDamaged } = readFolder(join(folder, name), folderPrefix(name));
      const [first] = unusable;
      if (first !== undefined && (isDamaged || bundles.length === 0))
        found.problems.set(folderPrefix(name), first.problem);
      else found.bundles.push(...bundles);
    }
  } catch (cause) {
    throw new DeployerError(
      "edge",
      `the certificates in ${folder} cannot be read: ${whyUnusable(cause)}; see x-deployer.edge.certs`,
      { cause },
    );
  }
  return found;
}

/** Another text when a file in the folder, or in the folders in it, is another one. It never throws. */
export function fingerprint(folder: string): string {
  try {
    return entriesOf(folder)
      .flatMap(({ name }) => {
        const path = join(folder, name);
        const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
        return isFolder ? entriesOf(path).map((inner) => join(path, inner.name)) : [path];
      })
      .map((path) => {
        const stat = statSync(path, { throwIfNoEntry: false });
        return `${path} ${stat?.ino} ${stat?.size} ${stat?.mtimeMs}`;
      })
      .join("\n");
  } catch {
    return "";
  }
}

function entriesOf(folder: string) {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith("."))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

type Unusable = { name: string; problem: string };

function readFolder(
  folder: string,
  prefix: string,
): { bundles: Bundle[]; unusable: Unusable[]; isDamaged: boolean } {
  const files: PemFile[] = [];
  const damaged: Unusable[] = [];
  for (const { name } of entriesOf(folder)) {
    const path = join(folder, name);
    const stat = EXTENSIONS.has(extname(name)) ? statSync(path, { throwIfNoEntry: false }) : undefined;
    if (stat === undefined || !stat.isFile() || stat.size > MOST_BYTES) continue;
    try {
      files.push(readPem(path));
    } catch (error) {
      const problem = error instanceof Error ? error.message : "it cannot be read";
      damaged.push({ name: prefix + bundleName(name), problem: `${path}: ${problem}` });
    }
  }
  const bundles: Bundle[] = [];
  const keyless: Unusable[] = [];
  for (const { file, leaf, key } of bestOfEach(files)) {
    const { path, certificates } = file;
    const name = prefix + bundleName(basename(path));
    // The chain beside a certificate, as certbot's chain.pem.
    if (key === undefined && leaf.ca && files.some((other) => other.leaf?.ca === false)) continue;
    if (key === undefined)
      // The key may be in a file that is damaged.
      keyless.push({ name, problem: damaged[0]?.problem ?? `${path} ${WITHOUT_KEY}` });
    else
      bundles.push({
        name,
        path,
        pem: [...certificates, key, ""].join("\n"),
        expires: Date.parse(leaf.validTo),
      });
  }
  const isExplained = keyless.length > 0;
  return {
    bundles,
    unusable: isExplained ? keyless : damaged,
    isDamaged: damaged.length > 0,
  };
}

/** Errors: what is wrong with the file. */
function readPem(path: string): PemFile {
  const text = readFileSync(path, "utf8");
  const certificates = text.match(CERTIFICATE) ?? [];
  const [keyText, kind = ""] = KEY.exec(text) ?? [];
  if (certificates.length === 0 && keyText === undefined)
    throw new Error("holds neither a certificate nor a key in PEM form");
  if (kind.includes("ENCRYPTED") || keyText?.includes("Proc-Type: 4,ENCRYPTED"))
    throw new Error("its key has a passphrase: the edge needs one without");
  return {
    path,
    certificates,
    leaf: parsed(certificates[0], "certificate", (pem) => new X509Certificate(pem)),
    key: parsed(keyText, "key", (pem) => ({ text: pem, object: createPrivateKey(pem) })),
  };
}

/** No message of OpenSSL's: it may hold anything. */
function parsed<T>(pem: string | undefined, what: string, parse: (pem: string) => T): T | undefined {
  if (pem === undefined) return undefined;
  try {
    return parse(pem);
  } catch {
    throw new Error(`its ${what} is damaged`);
  }
}

/** Its own, else that of a file beside it. */
function keyOf({ leaf, key }: PemFile, files: readonly PemFile[]): string | undefined {
  return [key, ...files.map((file) => file.key)].find(
    (candidate) => candidate !== undefined && leaf?.checkPrivateKey(candidate.object) === true,
  )?.text;
}

/** Of several files with the same certificate, as certbot's cert.pem and fullchain.pem, the one with the longest chain. */
function bestOfEach(
  files: readonly PemFile[],
): { file: PemFile; leaf: X509Certificate; key: string | undefined }[] {
  const best = new Map<string, { file: PemFile; leaf: X509Certificate; key: string | undefined }>();
  for (const file of files) {
    const { leaf, certificates } = file;
    if (leaf === undefined) continue;
    const other = best.get(leaf.fingerprint256);
    if (other === undefined || certificates.length > other.file.certificates.length)
      best.set(leaf.fingerprint256, { file, leaf, key: keyOf(file, files) });
  }
  return [...best.values()];
}

/** Another for each file, its extension included: `site.pem` and `site.crt` are two certificates. */
function bundleName(file: string): string {
  return encodeURIComponent(file);
}

function folderPrefix(folder: string): string {
  return `${encodeURIComponent(folder)}${IN_FOLDER}`;
}

/** Whether a bundle of this name is what a problem is about. */
export function concerns(problem: string, bundle: string): boolean {
  return problem.endsWith(IN_FOLDER) ? bundle.startsWith(problem) : bundle === problem;
}

/** Of a certificate that was read before. Milliseconds since the epoch. */
export function expiryOf(pem: string): number {
  return Date.parse(new X509Certificate(pem).validTo);
}
