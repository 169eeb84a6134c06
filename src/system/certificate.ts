import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

import { DeployerError } from "../core/errors.ts";
import { certificatesOf } from "../core/pem.ts";

const MAX_FILE_BYTES = 256 * 1024;
const PEM_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;
/** Others than owner and group may read it. */
const WORLD_READABLE = 0o004;

/** What the daemon shows to its callers, and the proof that it is its own. */
export type Certificate = {
  /** PEM: its own certificate, then those between it and the authority. */
  cert: string;
  /** PEM. Secret. */
  key: string;
  /** Names that it is for: `DNS:deploy.example.com`. */
  names: string;
  /** RFC 3339. */
  notAfter: string;
  /** What callers, or people, have reason to complain of. */
  warnings: readonly string[];
};

/** Where they are. */
export type CertificateFiles = { certFile: string; keyFile: string };

/** What is in the files, as PEM. */
export type Pair = Pick<Certificate, "cert" | "key">;

/** Errors: `config`, naming the variable and the file. */
export function readPair({ certFile, keyFile }: CertificateFiles): Pair {
  return { cert: readText("TLS_CERT_FILE", certFile), key: readText("TLS_KEY_FILE", keyFile) };
}

/**
 * Errors: `config`, for what no caller could be answered with; it says nothing of what is in the key.
 * @param now milliseconds since the epoch
 */
export function judgeCertificate(
  { cert, key }: Pair,
  { certFile, keyFile }: CertificateFiles,
  now: number,
): Certificate {
  const chain = certificatesOf(cert).map((pem) => parseCertificate(certFile, pem));
  const [own] = chain;
  if (own === undefined) throw refused("TLS_CERT_FILE", certFile, "holds no certificate in PEM");
  const privateKey = parseKey(keyFile, key);
  if (!own.checkPrivateKey(privateKey)) throw unmatched(chain, privateKey, certFile, keyFile);
  return {
    cert,
    key,
    names: own.subjectAltName ?? own.subject,
    notAfter: own.validToDate.toISOString(),
    warnings: [...warningsOfDates(own, certFile, now), ...warningsOfMode(keyFile)],
  };
}

function unmatched(
  chain: readonly X509Certificate[],
  key: KeyObject,
  certFile: string,
  keyFile: string,
): DeployerError {
  return chain.some((certificate) => certificate.checkPrivateKey(key))
    ? refused(
        "TLS_CERT_FILE",
        certFile,
        "the certificate of the key must come first, before those of its issuers",
      )
    : refused("TLS_KEY_FILE", keyFile, `is not the key of the certificate in ${certFile}`);
}

function warningsOfDates(
  { validFromDate, validToDate }: X509Certificate,
  file: string,
  now: number,
): string[] {
  if (now > validToDate.getTime()) return [`${file} has expired on ${validToDate.toISOString()}`];
  if (now < validFromDate.getTime()) return [`${file} is not valid before ${validFromDate.toISOString()}`];
  return [];
}

function warningsOfMode(file: string): string[] {
  const { mode } = statSync(file);
  return (mode & WORLD_READABLE) === 0 ? [] : [`${file} may be read by everybody on this host (chmod 640)`];
}

function readText(variable: string, path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw refused(variable, path, "is not a regular file");
    if (stat.size > MAX_FILE_BYTES) throw refused(variable, path, "is too large to be one");
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof DeployerError) throw error;
    throw refused(variable, path, reasonOf(error));
  }
}

function parseCertificate(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw refused("TLS_CERT_FILE", file, "holds a certificate that cannot be read");
  }
}

/** No cause is kept: what a parser complains of may be a part of the key. */
function parseKey(file: string, pem: string): KeyObject {
  if (ENCRYPTED.test(pem))
    throw refused("TLS_KEY_FILE", file, "is encrypted with a passphrase; decrypt it (openssl pkey -in FILE)");
  if (!PEM_KEY.test(pem)) throw refused("TLS_KEY_FILE", file, "holds no private key in PEM");
  try {
    return createPrivateKey(pem);
  } catch {
    throw refused("TLS_KEY_FILE", file, "holds a private key that cannot be read");
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "is not there";
  if (code === "EACCES") return "may not be read by this user";
  return `cannot be read (${String(code)})`;
}

function refused(variable: string, file: string, what: string): DeployerError {
  return new DeployerError("config", `${variable}: ${file} ${what}`);
}
