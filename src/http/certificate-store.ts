import { publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import {
  type Certificate,
  type CertificateFiles,
  judgeCertificate,
  type Pair,
  readPair,
} from "../system/certificate.ts";

/** Follows the files of the certificate. */
export type CertificateStore = {
  current(): Certificate;
  /**
   * Looks at the files, and has a new certificate put to use when there is one. `use` throws when it cannot be used after
   * all.
   */
  renew(use: (certificate: Certificate) => void): void;
};

type StoreOptions = CertificateFiles & {
  log: Pick<Log, "info" | "warn" | "error">;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * Reads the certificate. Errors: `config`. After that nothing throws: while the files are not usable the certificate from
 * before stays, and each such problem is told once, when it is there at two looks: between the renewal of one file and of
 * the other they do not match.
 */
export function openCertificateStore({ log, now = Date.now, ...files }: StoreOptions): CertificateStore {
  let certificate = judgeCertificate(readPair(files), files, now());
  let seen: string | undefined;
  let told: string | undefined;
  tellLoaded();

  function tellLoaded(): void {
    const { names, notAfter, warnings } = certificate;
    log.info("certificate loaded", { ...files, names, notAfter });
    for (const warning of warnings) log.warn("something is wrong with the certificate", { warning });
  }

  function complain(problem: string): void {
    if (problem === seen && problem !== told) {
      told = problem;
      log.error("the certificate cannot be renewed; the one known before stays in use", { problem });
    }
    seen = problem;
  }

  return {
    current: () => certificate,
    renew(use) {
      try {
        const pair = readPair(files);
        if (!isSame(pair, certificate)) {
          const next = judgeCertificate(pair, files, now());
          use(next);
          certificate = next;
          tellLoaded();
        }
        seen = told = undefined;
      } catch (error) {
        complain(publicMessage(error));
      }
    },
  };
}

function isSame(one: Pair, other: Pair): boolean {
  return one.cert === other.cert && one.key === other.key;
}
