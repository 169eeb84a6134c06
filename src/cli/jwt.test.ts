import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { certificatePem, forge, newKeyPair, privatePem, publicPem } from "../tokens/test-keys.ts";
import { runJwt } from "./jwt.ts";

const NOW = Date.UTC(2026, 10, 23, 12, 7, 37);
const rsa = newKeyPair("RS256");
const other = newKeyPair("RS256");
const ec = newKeyPair("ES256");
const ed = newKeyPair("EdDSA");
const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
const pkcs1 = { type: "pkcs1", format: "pem" } as const;

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "jwt-"));
  const files = {
    "private.pem": privatePem(rsa),
    "public.pem": publicPem(rsa),
    "pkcs1.pem": rsa.privateKey.export(pkcs1),
    "pkcs1-public.pem": rsa.publicKey.export(pkcs1),
    "certificate.pem": certificatePem(rsa),
    "other-public.pem": publicPem(other),
    "ec.pem": privatePem(ec),
    "ec-public.pem": publicPem(ec),
    "ed.pem": privatePem(ed),
    "ed-public.pem": publicPem(ed),
    "weak.pem": weak.export({ type: "pkcs8", format: "pem" }),
    "rubbish.pem": "hi",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
});

afterAll(() => rmSync(directory, { recursive: true }));

test("version prints version and build date", async () => {
  expect(await jwt(["version"])).toEqual({ code: 0, out: "Version: v1.2.3\nBuilt:   unknown\n", err: "" });
  const built = await jwt(["version"], {}, { built: "2026-11-23" });
  expect(built.out).toBe("Version: v1.2.3\nBuilt:   2026-11-23\n");
});

test.each([[[]], [["-h"]], [["--help"]]])("%j prints the usage on stdout", async (args) => {
  const result = await jwt(args);
  expect(result).toEqual({ code: 0, out: expect.stringContaining("Usage:\n  jwt <command>"), err: "" });
});

test.each(["sign", "verify", "keygen"])("%s --help prints its flags on stdout", async (command) => {
  const result = await jwt([command, "--help"]);
  expect(result).toEqual({
    code: 0,
    out: expect.stringContaining(`Usage of jwt ${command}:\n  --`),
    err: "",
  });
});

test("an unknown command is named on stderr, with the usage, exit code 1", async () => {
  const result = await jwt(["nosuch"]);
  expect(result).toEqual({
    code: 1,
    out: expect.stringContaining("Usage:"),
    err: "Unknown command: nosuch\n",
  });
});

test.each(["sign", "verify", "keygen"])(
  "an unknown flag of %s is refused as Go does, exit code 2",
  async (command) => {
    const result = await jwt([command, "-foo"]);
    expect(result.code).toBe(2);
    expect(result.out).toBe("");
    expect(result.err).toStartWith(`flag provided but not defined: -foo\nUsage of jwt ${command}:\n`);
  },
);

test.each([["--key"], ["-key"]])("sign %s prints the token of the original, on one line", async (flag) => {
  const result = await jwt(["sign", flag, path("private.pem")]);
  const expected = forge(rsa, { alg: "RS256", typ: "JWT" }, { exp: NOW / 1000 + 300, iss: "github-actions" });
  expect(result).toEqual({ code: 0, out: `${expected}\n`, err: "" });
});

test.each([
  [["-exp", "-5"], { exp: NOW / 1000 - 5, iss: "github-actions" }],
  [["--exp=60", "--iss=ci"], { exp: NOW / 1000 + 60, iss: "ci" }],
  [["-iss", ""], { exp: NOW / 1000 + 300, iss: "" }],
])("sign %j signs %j", async (args, claims) => {
  const { out } = await jwt(["sign", `--key=${path("private.pem")}`, ...args]);
  expect(JSON.parse(Buffer.from(out.split(".")[1] ?? "", "base64url").toString())).toEqual(claims);
});

test.each([
  ["pkcs1.pem", "RS256"],
  ["ec.pem", "ES256"],
  ["ed.pem", "EdDSA"],
])("sign takes the algorithm from the key: %s gives %s", async (file, alg) => {
  const { code, out } = await jwt(["sign", "--key", path(file)]);
  expect(code).toBe(0);
  expect(Buffer.from(out.split(".")[0] ?? "", "base64url").toString()).toBe(`{"alg":"${alg}","typ":"JWT"}`);
});

const inBase64 = Buffer.from(privatePem(rsa)).toString("base64");
const wrapped = `${inBase64.match(/.{1,76}/g)?.join("\n")}\n`;

test.each([
  [
    "the default variable when the file is missing",
    ["--key", "nofile.pem"],
    { DEPLOY_SIGNING_KEY_B64: inBase64 },
  ],
  [
    "the default variable when it is named",
    ["--key", "nofile.pem", "--key-env", "DEPLOY_SIGNING_KEY_B64"],
    { DEPLOY_SIGNING_KEY_B64: inBase64 },
  ],
  ["a key with line breaks", ["--key", "nofile.pem"], { DEPLOY_SIGNING_KEY_B64: wrapped }],
  ["a key with Windows line breaks", ["-key-env", "FOO"], { FOO: wrapped.replaceAll("\n", "\r\n") }],
])("sign reads %s", async (_, args, env) => {
  const result = await jwt(["sign", ...args], env);
  expect(result.err).toBe("");
  expect((await jwt(["verify", "--key", path("public.pem"), "--token", result.out.trim()])).code).toBe(0);
});

test("sign takes the file before the default variable, and another variable before the file", async () => {
  const env = { DEPLOY_SIGNING_KEY_B64: "!!", FOO: Buffer.from(privatePem(ec)).toString("base64") };
  expect((await jwt(["sign", "--key", path("private.pem")], env)).code).toBe(0);
  const { out } = await jwt(["sign", "--key", path("private.pem"), "--key-env", "FOO"], env);
  expect((await jwt(["verify", "--key", path("ec-public.pem"), "--token", out.trim()])).code).toBe(0);
});

test.each([
  [
    ["--key", "nofile.pem"],
    {},
    "could not read key file (nofile.pem), and env var DEPLOY_SIGNING_KEY_B64 not set",
  ],
  [
    ["--key", "nofile.pem"],
    { DEPLOY_SIGNING_KEY_B64: "" },
    "could not read key file (nofile.pem), and env var DEPLOY_SIGNING_KEY_B64 not set",
  ],
  [["--key-env", "FOO"], {}, "env var FOO was specified but is not set"],
  [
    ["--key-env", "FOO"],
    { FOO: "!!" },
    "failed to decode base64 from env: illegal base64 data at input byte 0",
  ],
  [
    ["--key-env", "FOO"],
    { FOO: "aGk=\naG k=" },
    "failed to decode base64 from env: illegal base64 data at input byte 7",
  ],
  [
    ["--key-env", "FOO"],
    { FOO: "aGk=" },
    "failed to parse RSA private key from env: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key",
  ],
])("sign %j with %j fails in the original's words", async (args, env, message) => {
  expect(await jwt(["sign", ...args], env)).toEqual({ code: 1, out: "", err: `Sign error: ${message}\n` });
});

test.each([
  ["rubbish.pem", "invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key\n"],
  ["public.pem", 'a "PUBLIC KEY" block was found'],
  ["weak.pem", "an RSA key of 1024 bits is too short"],
])("sign --key %s says what is wrong with the file", async (file, message) => {
  const result = await jwt(["sign", "--key", path(file)]);
  expect(result.code).toBe(1);
  expect(result.err).toStartWith(`Sign error: failed to parse RSA private key from file: ${message}`);
});

test.each(["public.pem", "pkcs1-public.pem", "certificate.pem"])(
  "verify accepts a token under %s",
  async (key) => {
    const token = forge(rsa, { alg: "RS256", typ: "JWT" }, { iss: "github-actions", exp: NOW / 1000 + 300 });
    expect(await jwt(["verify", "--key", path(key), "--token", token])).toEqual({
      code: 0,
      out: "✅ Verified token claims:\n  exp: Mon, 23 Nov 2026 12:12:37 UTC (in 5m0s)\n  iss: github-actions\n",
      err: "",
    });
  },
);

test.each([
  [1, "1s"],
  [59, "59s"],
  [60, "1m0s"],
  [3599, "59m59s"],
  [3600, "1h0m0s"],
  [90_061, "25h1m1s"],
])("verify shows %i seconds as %s", async (seconds, shown) => {
  const token = forge(rsa, { alg: "RS256" }, { iss: "a", exp: NOW / 1000 + seconds });
  const { out } = await jwt(["verify", "--key", path("public.pem"), "--token", token]);
  expect(out).toContain(`(in ${shown})\n`);
});

test("verify prints claims sorted by name, of any type, and nothing a terminal would act on", async () => {
  const claims = { zone: "\u001b[31mred\u202e", iat: 1_700_000_000, aud: ["a", "b"], iss: "ci", "x\r": null };
  const token = forge(rsa, { alg: "RS256" }, { ...claims, exp: 1e15 });
  const { code, out } = await jwt(["verify", "--key", path("public.pem"), "--token", token]);
  expect(code).toBe(0);
  expect(out.split("\n").slice(1)).toEqual([
    '  aud: ["a","b"]',
    "  exp: 1000000000000000",
    "  iat: 1700000000",
    "  iss: ci",
    "  x\\u{d}: null",
    "  zone: \\u{1b}[31mred\\u{202e}",
    "",
  ]);
});

test.each([
  ["no exp", { iss: "a" }, "claim exp"],
  ["two hours of life", { iss: "a", exp: NOW / 1000 + 7200 }, "more than 3600 s"],
  ["an empty issuer", { iss: "", exp: NOW / 1000 + 60 }, "claim iss"],
])(
  "verify accepts a token with %s as the original did, and says that the daemon refuses it",
  async (_, claims, cause) => {
    const token = forge(rsa, { alg: "RS256" }, claims);
    const result = await jwt(["verify", "--key", path("public.pem"), "--token", token]);
    expect(result.code).toBe(0);
    expect(result.err).toStartWith("note: deployer-service refuses this token: ");
    expect(result.err).toContain(cause);
  },
);

const good = forge(rsa, { alg: "RS256" }, { iss: "a", exp: NOW / 1000 + 300 });
const at = (claims: object) => forge(rsa, { alg: "RS256" }, { iss: "a", ...claims });

test.each([
  ["a wrong key", "other-public.pem", good, "token signature is invalid: crypto/rsa: verification error"],
  [
    "a wrong EC key",
    "ec-public.pem",
    forge(newKeyPair("ES256"), { alg: "ES256" }, {}),
    "token signature is invalid: crypto/ecdsa: verification error",
  ],
  [
    "a wrong Ed25519 key",
    "ed-public.pem",
    forge(newKeyPair("EdDSA"), { alg: "EdDSA" }, {}),
    "token signature is invalid: ed25519: verification error",
  ],
  [
    "another algorithm",
    "ec-public.pem",
    good,
    'token signature is invalid: signing method "RS256" is invalid; it must be ES256',
  ],
  ["abc", "public.pem", "abc", "token is malformed: token contains an invalid number of segments"],
  ["two dots", "public.pem", "a.b.c", "token is malformed: could not base64 decode header"],
  ["an expired token", "public.pem", at({ exp: NOW / 1000 }), "token has invalid claims: token is expired"],
  [
    "an early token",
    "public.pem",
    at({ nbf: NOW / 1000 + 1 }),
    "token has invalid claims: token is not valid yet",
  ],
  [
    "exp as a string",
    "public.pem",
    at({ exp: "9", nbf: "9" }),
    "token has invalid claims: invalid type for claim: exp is invalid, invalid type for claim: nbf is invalid",
  ],
])("verify refuses %s", async (_, key, token, message) => {
  const result = await jwt(["verify", "-key", path(key), "-token", token]);
  expect(result).toEqual({ code: 1, out: "", err: `Verify error: parsing token: ${message}\n` });
});

test("verify without --token says so and prints its flags, exit code 1", async () => {
  const result = await jwt(["verify", "--key", path("public.pem")]);
  expect(result.code).toBe(1);
  expect(result.err).toStartWith("Error: --token is required\nUsage of jwt verify:\n");
});

test.each([
  ["no file", "nofile.pem", "reading public key: open nofile.pem: no such file or directory\n"],
  ["a directory", tmpdir(), `reading public key: read ${tmpdir()}: is a directory\n`],
])("verify names %s as key", async (_, key, message) => {
  expect((await jwt(["verify", "--key", key, "--token", good])).err).toBe(`Verify error: ${message}`);
});

test("verify refuses a private key in the place of a public one", async () => {
  const result = await jwt(["verify", "--key", path("private.pem"), "--token", good]);
  expect(result.code).toBe(1);
  expect(result.err).toStartWith("Verify error: parsing public key: it holds a private key");
});

test.each(["rsa", "ec", "ed25519"])(
  "keygen --type %s makes a pair whose secret signs what its public key verifies",
  async (type) => {
    const out = path(`new/${type}`);
    const made = await jwt(["keygen", "--type", type, "--out", out]);
    expect(made.code).toBe(0);
    expect(made.out).toMatch(/^[A-Za-z0-9+/]+=*\n$/);
    expect(made.err).toContain(join(out, "private.pem"));
    expect(made.err).not.toContain(made.out.slice(0, 20));
    expect(statSync(join(out, "private.pem")).mode & 0o777).toBe(0o600);
    expect(Buffer.from(made.out, "base64").toString()).toBe(readFileSync(join(out, "private.pem"), "utf8"));
    const { out: token } = await jwt(["sign", "--key", "nofile.pem"], { DEPLOY_SIGNING_KEY_B64: made.out });
    expect((await jwt(["verify", "--key", join(out, "public.pem"), "--token", token.trim()])).code).toBe(0);
  },
);

test.each(["private.pem", "public.pem"])(
  "keygen never overwrites %s and leaves nothing behind",
  async (name) => {
    const out = path(`kept-${name}`);
    mkdirSync(out);
    writeFileSync(join(out, name), "mine");
    const result = await jwt(["keygen", "--type", "ec", "--out", out]);
    expect(result).toEqual({
      code: 1,
      out: "",
      err: `Keygen error: ${join(out, name)} is already there and is not overwritten\n`,
    });
    expect(readFileSync(join(out, name), "utf8")).toBe("mine");
    expect(["private.pem", "public.pem"].filter((file) => existsSync(join(out, file)))).toEqual([name]);
  },
);

test("keygen refuses an unknown type as a wrong flag", async () => {
  const result = await jwt(["keygen", "--type", "dsa"]);
  expect(result.code).toBe(2);
  expect(result.err).toStartWith('invalid value "dsa" for flag -type: must be one of rsa, ec, ed25519\n');
});

test("no failure prints key material", async () => {
  const secret = weak.export({ type: "pkcs8", format: "pem" });
  const results = [
    await jwt(["sign", "--key-env", "FOO"], { FOO: Buffer.from(secret).toString("base64") }),
    await jwt(["sign", "--key-env", "FOO"], { FOO: secret }),
  ];
  for (const { code, out, err } of results) {
    expect(code).toBe(1);
    expect(out + err).not.toContain(secret.split("\n")[1] ?? secret);
  }
});

function path(name: string): string {
  return join(directory, name);
}

async function jwt(
  args: string[],
  env: Record<string, string> = {},
  build: { built?: string } = {},
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const stdout = (text: string) => void (out += text);
  const stderr = (text: string) => void (err += text);
  const code = await runJwt(args, { stdout, stderr, env, now: () => NOW, version: "v1.2.3", ...build });
  return { code, out, err };
}
