import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { attempt, BASE_ENV, type Result, run } from "../support/run.ts";
import { stage } from "../support/stage.ts";

/** The built program called by the name `jwt`, in a folder with keys as openssl makes them. */
export type JwtWorld = Disposable & {
  dir: string;
  /** `env` comes on top of PATH and LANG. */
  jwt: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Result>;
};

const KEY_COMMANDS: readonly (readonly string[])[] = [
  ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "private.pem"],
  ["pkey", "-in", "private.pem", "-pubout", "-out", "public.pem"],
  ["rsa", "-in", "private.pem", "-traditional", "-out", "pkcs1.pem"],
  ["rsa", "-in", "private.pem", "-RSAPublicKey_out", "-out", "pkcs1-public.pem"],
  ["req", "-x509", "-key", "private.pem", "-subj", "/CN=deployer", "-days", "1", "-out", "certificate.pem"],
  ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "wrong-private.pem"],
  ["pkey", "-in", "wrong-private.pem", "-pubout", "-out", "wrong-public.pem"],
  ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.pem"],
  ["pkey", "-in", "ec.pem", "-pubout", "-out", "ec-public.pem"],
];

export async function startJwtWorld(): Promise<JwtWorld> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-jwt-"));
  for (const args of KEY_COMMANDS) await run(["openssl", ...args], { cwd: dir });
  const tool = join(dir, "jwt");
  symlinkSync(stage().binary, tool);
  return {
    dir,
    jwt: (args, env = {}) => attempt([tool, ...args], { cwd: dir, env: { ...BASE_ENV, ...env } }),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}
