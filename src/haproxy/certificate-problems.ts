import { publicMessage } from "../core/errors.ts";
import { readCertificates } from "./certificates.ts";

/** All that is wrong with the certificates of a folder, at a time in milliseconds since the epoch. It never throws. */
export function certificateProblems(folder: string, now: number): string[] {
  try {
    const { bundles, problems } = readCertificates(folder);
    const named = [
      ...problems.values(),
      ...bundles
        .filter(({ expires }) => expires <= now)
        .map(({ path, expires }) => `${path} has expired on ${new Date(expires).toISOString()}`),
    ].map((problem) => `${problem}; see x-deployer.edge.certs`);
    return bundles.length === 0 && named.length === 0 ? [noCertificate(folder)] : named;
  } catch (error) {
    return [publicMessage(error)];
  }
}

/** For people. */
export function noCertificate(folder: string): string {
  return `there is no certificate in ${folder}; see x-deployer.edge.certs`;
}
