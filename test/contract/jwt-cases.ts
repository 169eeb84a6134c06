import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "bun:test";

import type { Result } from "../support/run.ts";
import type { JwtWorld } from "./jwt-world.ts";

/** The calls of one row of the jwt tool's table; each must answer as the row says. */
export type JwtCase = {
  calls: readonly (readonly string[] | ((world: JwtWorld) => Promise<readonly string[]>))[];
  env?: Readonly<Record<string, string>> | ((world: JwtWorld) => Readonly<Record<string, string>>);
  /** The output, where the row describes it instead of quoting it. */
  output?: (result: Result, world: JwtWorld) => unknown;
};

const SIGNED_FOR_SECONDS = 300;
const NEVER_READ = ["--key", "nofile.pem"];

/** By the text of the column `command`. */
export const JWT_CASES: Readonly<Record<string, JwtCase>> = {
  version: {
    calls: [["version"]],
    output: ({ stdout }) => expect(stdout).toMatch(/^Version: v1\.2\.3\nBuilt: {3}\d{4}-\d\d-\d\dT\S+\n$/),
  },
  "no argument, -h, --help (no argument run; rest from source)": {
    calls: [[], ["-h"], ["--help"]],
    output: ({ stdout, stderr }) => expect([stdout, stderr]).toEqual([expect.stringContaining("Usage:"), ""]),
  },
  nosuch: {
    calls: [["nosuch"]],
    output: ({ stdout, stderr }) =>
      expect([stdout, stderr]).toEqual([expect.stringContaining("Usage:"), "Unknown command: nosuch\n"]),
  },
  "sign --key private.pem": { calls: [["sign", "--key", "private.pem"]], output: isOriginalsToken },
  "sign -exp -5": {
    calls: [["sign", "-exp", "-5"]],
    async output({ stdout }, { jwt }) {
      expect((await jwt(["verify", "--token", stdout.trim()])).stderr).toEndWith("token is expired\n");
    },
  },
  "sign --key nofile.pem": { calls: [["sign", "--key", "nofile.pem"]] },
  "sign --key-env FOO, unset": { calls: [["sign", "--key-env", "FOO"]] },
  "FOO='!!'": { calls: [["sign", "--key-env", "FOO"]], env: { FOO: "!!" } },
  "FOO=aGk=": { calls: [["sign", "--key-env", "FOO"]], env: { FOO: "aGk=" } },
  "env key with base64 line wraps": {
    calls: [
      ["sign", "--key-env", "FOO"],
      ["sign", ...NEVER_READ],
    ],
    env({ dir }) {
      const wrapped = readFileSync(join(dir, "private.pem")).toString("base64").replace(/.{76}/g, "$&\n");
      return { FOO: wrapped, DEPLOY_SIGNING_KEY_B64: `${wrapped}\n` };
    },
    output: isOriginalsToken,
  },
  "PKCS#1 private key": { calls: [["sign", "--key", "pkcs1.pem"]], output: isOriginalsToken },
  "EC key": {
    calls: [["sign", "--key", "ec.pem"]],
    async output({ stdout }, { jwt }) {
      expect(stdout.split(".")[0]).toBe(Buffer.from('{"alg":"ES256","typ":"JWT"}').toString("base64url"));
      const verified = await jwt(["verify", "--key", "ec-public.pem", "--token", stdout.trim()]);
      expect(verified.exitCode).toBe(0);
    },
  },
  "unknown flag": {
    calls: [
      ["sign", "--nosuch"],
      ["verify", "-nosuch"],
    ],
    output: ({ stdout, stderr }) =>
      expect([stdout, stderr]).toEqual([
        "",
        expect.stringMatching(/^flag provided but not defined: -nosuch\nUsage of /),
      ]),
  },
  "sign --help": {
    calls: [["sign", "--help"]],
    output: ({ stdout, stderr }) =>
      expect([stdout, stderr]).toEqual([expect.stringContaining("--key-env"), ""]),
  },
  "verify ok": { calls: [verify("public.pem", "private.pem")], output: isVerified },
  "verify, wrong key": { calls: [verify("wrong-public.pem", "private.pem")] },
  "verify, abc": { calls: [["verify", "--key", "public.pem", "--token", "abc"]] },
  "verify, expired": { calls: [verify("public.pem", "private.pem", "-exp", "-5")] },
  "verify without --token": {
    calls: [["verify", "--key", "public.pem"]],
    output: ({ stderr }) => expect(stderr).toMatch(/^Error: --token is required\nUsage of /),
  },
  "verify with PKCS#1 public key, or with an X.509 certificate": {
    calls: [verify("pkcs1-public.pem", "private.pem"), verify("certificate.pem", "pkcs1.pem")],
    output: isVerified,
  },
};

function verify(publicKey: string, privateKey: string, ...flags: string[]) {
  return async ({ jwt }: JwtWorld): Promise<string[]> => {
    const { stdout } = await jwt(["sign", "--key", privateKey, ...flags]);
    return ["verify", "--key", publicKey, "--token", stdout.trim()];
  };
}

function isOriginalsToken({ stdout, stderr }: Result): void {
  const [header = "", payload = "", signature = ""] = stdout.split(".");
  expect(decode(header)).toBe('{"alg":"RS256","typ":"JWT"}');
  const exp = Number(/^\{"exp":(\d+),"iss":"github-actions"\}$/.exec(decode(payload))?.[1]);
  const ahead = exp - Date.now() / 1000;
  expect(ahead).toBeGreaterThan(SIGNED_FOR_SECONDS - 60);
  expect(ahead).toBeLessThanOrEqual(SIGNED_FOR_SECONDS);
  expect(signature).toMatch(/^[\w-]{342}\n$/);
  expect(stderr).toBe("");
}

function isVerified({ stdout, stderr }: Result): void {
  const day = String.raw`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC`;
  expect(stdout).toMatch(
    new RegExp(
      String.raw`^✅ Verified token claims:\n {2}exp: ${day} \(in (?:5m0s|4m\d+s)\)\n {2}iss: github-actions\n$`,
    ),
  );
  expect(stderr).toBe("");
}

function decode(segment: string): string {
  return Buffer.from(segment, "base64url").toString();
}
