import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run } from "./run.ts";

/** A certificate authority of a test's own, by openssl. */
export type TestCa = {
  /** Its certificate, PEM. */
  certificate: string;
  /** Another certificate each time, for a host name or an address. */
  issue(name: string, days?: number): Promise<{ certificate: string; key: string }>;
  [Symbol.dispose](): void;
};

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export async function createTestCa(): Promise<TestCa> {
  const folder = mkdtempSync(join(tmpdir(), "dstest-ca-"));
  mkdirSync(folder, { recursive: true });
  const file = (name: string) => join(folder, name);
  const ca = ["-keyout", file("ca.key"), "-out", file("ca.crt"), "-subj", "/CN=test"];
  await run(["openssl", "req", "-x509", ...KEY, ...ca, "-days", "30"]);
  let issued = 0;
  return {
    certificate: readFileSync(file("ca.crt"), "utf8"),
    async issue(name, days = 30) {
      issued += 1;
      const [key, crt] = [file(`${issued}.key`), file(`${issued}.crt`)];
      const subject = [
        "-subj",
        `/CN=${name}`,
        "-addext",
        `subjectAltName=${isIP(name) === 0 ? "DNS" : "IP"}:${name}`,
        "-addext",
        "basicConstraints=CA:FALSE",
      ];
      const by = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-days", String(days)];
      await run(["openssl", "req", "-x509", ...KEY, "-keyout", key, "-out", crt, ...subject, ...by]);
      return { certificate: readFileSync(crt, "utf8"), key: readFileSync(key, "utf8") };
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
