import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { jwtVerify } from "jose";

import type { RequestLine, Transport } from "../client/transport.ts";
import { requestHash } from "../tokens/request-hash.ts";
import { certificatePem, newKeyPair, privatePem } from "../tokens/test-keys.ts";
import { readArguments, UsageError } from "./arguments.ts";
import { fakeIo } from "./fake-io.ts";
import { daemonOf, REMOTE_FLAGS } from "./remote.ts";

const URL = "https://deploy.example.com";
const LINE: RequestLine = { method: "POST", target: "/deploy", body: '{"services":["web"]}' };

const pair = newKeyPair("ES256");
const folder = mkdtempSync(join(tmpdir(), "remote-test-"));
const file = (name: string) => join(folder, name);
beforeAll(() => {
  writeFileSync(file("key.pem"), privatePem(pair));
  writeFileSync(file("ca.pem"), `a comment\n${certificatePem(pair)}${certificatePem(pair)}`);
  writeFileSync(file("no.pem"), "nothing");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What `--url` and the other flags come to. */
function reach(line: string, env: Record<string, string> = {}) {
  const { io, said } = fakeIo();
  let by: Transport | undefined;
  const connect: typeof io.connect = (how) => {
    by = how?.by;
    return io.connect();
  };
  daemonOf(readArguments("status", line.split(" ").filter(Boolean), REMOTE_FLAGS), { ...io, env, connect });
  return { by, io, said };
}

async function claimsOf(transport: Transport | undefined, now: number) {
  const token = (await transport?.authorise(LINE)) ?? "";
  return (await jwtVerify(token, pair.publicKey, { currentDate: new Date(now) })).payload;
}

const request = requestHash("POST", "/deploy", LINE.body ?? "");

test("without --url it is the daemon of this host", () => {
  expect(reach("").by).toBeUndefined();
});

test("each request has a token of its own, signed by the key", async () => {
  const { by, io } = reach(`--url ${URL} --key ${file("key.pem")}`);
  expect(by?.place).toBe(URL);
  const claims = await claimsOf(by, io.now());
  expect(claims).toMatchObject({ iss: "github-actions", req: request });
  expect((await claimsOf(by, io.now())).jti).not.toBe(claims.jti);
  const named = reach(`--url ${URL} --key ${file("key.pem")} --iss laptop`).by;
  expect(await claimsOf(named, io.now())).toMatchObject({ iss: "laptop" });
});

test.each<[name: string, line: string, env: () => Record<string, string>]>([
  ["PEM in a variable", `--url ${URL} --key-env KEY`, () => ({ KEY: privatePem(pair) })],
  ["PEM in base64", `--url ${URL} --key-env KEY`, () => ({ KEY: btoa(privatePem(pair)) })],
  ["the usual variable", `--url ${URL}`, () => ({ DEPLOY_SIGNING_KEY_B64: btoa(privatePem(pair)) })],
])("%s is a key too", async (_, line, env) => {
  const { by, io } = reach(line, env());
  expect(await claimsOf(by, io.now())).toMatchObject({ req: request });
});

test("a job of GitHub Actions asks its runner for a token, for this daemon and this request", async () => {
  const asked: (string | null)[] = [];
  await using runner = Bun.serve({
    port: 0,
    fetch(request) {
      asked.push(new globalThis.URL(request.url).searchParams.get("audience"));
      return Response.json({ value: "a.b.c" });
    },
  });
  const env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `${runner.url.origin}/?v=2`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "x",
  };
  expect(await reach(`--url ${URL}:443/ --oidc`, env).by?.authorise(LINE)).toBe("a.b.c");
  await reach(`--url ${URL} --oidc --audience shop`, env).by?.authorise(LINE);
  expect(asked).toEqual([`${URL}#sha256=${request}`, `shop#sha256=${request}`]);
  await expect(reach(`--url ${URL} --oidc`).by?.authorise(LINE)).rejects.toMatchObject({
    code: "unauthorized",
    message: expect.stringMatching(/no job of GitHub Actions/),
  });
});

test.each([
  ["--key k.pem", /--key" needs --url/],
  ["--oidc", /--oidc" needs --url/],
  ["--ca ca.pem", /--ca" needs --url/],
  ["--url deploy.example.com --oidc", /needs https:/],
  ["--url ftp://deploy.example.com --oidc", /needs https:/],
  ["--url https://deploy.example.com/api --oidc", /takes https:\/\/deploy\.example\.com alone/],
  ["--url https://deploy.example.com?a --oidc", /alone, without a path/],
  ["--url https://ann:secret@deploy.example.com --oidc", /no user and no password/],
  [`--url ${URL}`, /needs --key FILE, --key-env VARIABLE .* or --oidc/],
  [`--url ${URL} --oidc --key k.pem`, /one of the two/],
  [`--url ${URL} --key-env K --key k.pem`, /one of the two/],
  [`--url ${URL} --oidc --iss me`, /--iss" is for keys/],
  [`--url ${URL} --key ${file("key.pem")} --audience x`, /--audience" needs --oidc/],
  [`--url ${URL} --oidc --ca ${file("none.pem")}`, /--ca": ENOENT/],
  [`--url ${URL} --oidc --ca ${file("no.pem")}`, /holds no certificate/],
])("%s makes no sense", (line, complaint) => {
  expect(() => reach(line)).toThrow(complaint);
  expect(() => reach(line)).toThrow(UsageError);
  expect(() => reach(line)).not.toThrow(/secret/);
});

test.each<[string, string, Record<string, string>]>([
  ["a file that is not there", `--url ${URL} --key ${file("none.pem")}`, {}],
  ["a variable that is not set", `--url ${URL} --key-env NONE`, {}],
  ["a value that is no key", `--url ${URL} --key-env KEY`, { KEY: "c2VjcmV0LXZhbHVl" }],
])("%s is no key, and nothing of it is told", (_, line, env) => {
  try {
    reach(line, env);
    throw new Error("it was taken");
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect(Bun.inspect(error)).not.toMatch(/c2VjcmV0|secret-value/);
  }
});

test("a connection that is not encrypted is warned of, but not on this machine", () => {
  const warning = (url: string) => reach(`--url ${url} --key ${file("key.pem")}`).said.stderr;
  expect(warning("http://deploy.example.com:8686")).toMatch(
    /^warning: http:\/\/deploy\.example\.com:8686 is not/,
  );
  for (const url of [URL, "http://localhost:8686", "http://127.0.0.1:8686", "http://[::1]:8686"])
    expect(warning(url)).toBe("");
});

test("an authority is taken with everything around it", () => {
  expect(reach(`--url ${URL} --key ${file("key.pem")} --ca ${file("ca.pem")}`).by?.place).toBe(URL);
});
