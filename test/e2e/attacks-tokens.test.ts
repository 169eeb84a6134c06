import { createHmac, createPublicKey } from "node:crypto";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { claims, RS256, seconds } from "../contract/http-case.ts";
import { startAlone } from "../contract/refused-start.ts";
import {
  certificatePem,
  forge,
  type KeyPair,
  newKeyPair,
  privatePem,
  publicPem,
  segment,
} from "../../src/tokens/test-keys.ts";
import type { Daemon } from "../support/daemon.ts";
import { ask, type RawReply } from "../support/raw-http.ts";

const MAX_TOKEN_LENGTH = 8 * 1024;
const key = newKeyPair("RS256");
const attacker = newKeyPair("RS256");
/** Where the headers of hostile tokens point; nobody may come. */
let visits = 0;
const lure = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch() {
    visits += 1;
    return Response.json({ keys: [jwkOf(attacker)] });
  },
});

let daemon: Daemon;

beforeAll(async () => {
  daemon = await startAlone({ keys: { privatePem: privatePem(key), publicPem: publicPem(key) } });
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await lure.stop(true);
});

const REFUSED: [what: string, token: () => string][] = [
  ...["none", "None", "NONE", "nOnE", ""].map((alg): [string, () => string] => [
    `alg ${JSON.stringify(alg)} with an empty signature`,
    () => `${segment({ alg })}.${segment(claims())}.`,
  ]),
  ["alg none with a good signature", () => forge(key, { alg: "none" }, claims())],
  ["no alg", () => forge(key, { typ: "JWT" }, claims())],
  ["alg null", () => forge(key, { alg: null }, claims())],
  ["alg in a list", () => forge(key, { alg: ["RS256"] }, claims())],
  ["alg twice, none last", () => forge(key, '{"alg":"RS256","alg":"none"}', claims())],
  ["alg twice, RS256 last", () => forge(key, '{"alg":"none","alg":"RS256"}', claims())],
  ["HS256 with the public PEM as the secret", () => hmac("HS256", "sha256", publicPem(key))],
  ["HS256 with the trimmed PEM", () => hmac("HS256", "sha256", publicPem(key).trim())],
  ["HS512 with the public PEM", () => hmac("HS512", "sha512", publicPem(key))],
  [
    "HS256 with the DER of the public key",
    () => hmac("HS256", "sha256", key.publicKey.export({ type: "spki", format: "der" })),
  ],
  ["HS256 with an empty secret", () => hmac("HS256", "sha256", "")],
  ["RS512", () => forge(key, { ...RS256, alg: "RS512" }, claims(), "sha512")],
  ["RS256 by name, SHA-512 by signature", () => forge(key, RS256, claims(), "sha512")],
  ["PS256 by name", () => forge(key, { ...RS256, alg: "PS256" }, claims())],
  ["ES256 by name", () => forge(key, { ...RS256, alg: "ES256" }, claims())],
  ["an embedded jwk, and its signature", () => forge(attacker, { ...RS256, jwk: jwkOf(attacker) }, claims())],
  ["an embedded jwk beside a good signature", () => forge(key, { ...RS256, jwk: jwkOf(key) }, claims())],
  ["a jku, and its signature", () => forge(attacker, { ...RS256, jku: `${lure.url.href}jwks` }, claims())],
  ["an x5u, and its signature", () => forge(attacker, { ...RS256, x5u: lure.url.href }, claims())],
  [
    "an x5c, and its signature",
    () => forge(attacker, { ...RS256, x5c: [certificatePem(attacker).split("\n")[1]] }, claims()),
  ],
  ["a kid that is a path", () => forge(attacker, { ...RS256, kid: "../../../../dev/null" }, claims())],
  ["an unknown crit", () => forge(key, { ...RS256, crit: ["x"], x: 1 }, claims())],
  ["crit b64", () => forge(key, { ...RS256, crit: ["b64"], b64: false }, claims())],
  ["an empty crit", () => forge(key, { ...RS256, crit: [] }, claims())],
  ["more than 8 KB", () => sized(MAX_TOKEN_LENGTH + 1)],
  ["exp twice, the past last", () => forge(key, RS256, raw(`"exp":${seconds() + 60},"exp":1`))],
  ["exp twice, the future last", () => forge(key, RS256, raw(`"exp":1,"exp":${seconds() + 60}`))],
  ["iss twice, empty last", () => forge(key, RS256, raw(`"exp":${seconds() + 60},"iss":""`))],
  ["iss twice, both good", () => forge(key, RS256, raw(`"exp":${seconds() + 60},"iss":"github-actions"`))],
  ["exp as a string", () => forge(key, RS256, claims({ exp: String(seconds() + 60) }))],
  ["exp as a float in the past", () => forge(key, RS256, claims({ exp: seconds() - 0.5 }))],
  ["exp huge", () => forge(key, RS256, raw('"exp":1e300'))],
  ["exp beyond every number", () => forge(key, RS256, raw('"exp":1e999'))],
  ["exp past 2^53", () => forge(key, RS256, raw('"exp":9007199254740993'))],
  ["exp in milliseconds", () => forge(key, RS256, claims({ exp: Date.now() + 60_000 }))],
  ["exp negative", () => forge(key, RS256, claims({ exp: -1 }))],
  ["exp null", () => forge(key, RS256, claims({ exp: null }))],
  ["exp true", () => forge(key, RS256, claims({ exp: true }))],
  ["exp in a list", () => forge(key, RS256, claims({ exp: [seconds() + 60] }))],
  ["exp NaN", () => forge(key, RS256, raw('"exp":NaN'))],
  ["nbf as a string", () => forge(key, RS256, claims({ nbf: "0" }))],
  ["iss in a list", () => forge(key, RS256, claims({ iss: ["github-actions"] }))],
  ["claims null", () => forge(key, RS256, "null")],
  ["claims in a list", () => forge(key, RS256, JSON.stringify([claims()]))],
  ["claims that are no JSON", () => forge(key, RS256, "exp=1")],
  ["claims under __proto__", () => forge(key, RS256, `{"__proto__":${JSON.stringify(claims())}}`)],
  ["padding in each segment", () => good().replaceAll(/(\.|$)/g, "=$1")],
  ["a dot more", () => `${good()}.`],
  ["five segments", () => `${good()}.AA.AA`],
  ["two segments", () => good().split(".").slice(0, 2).join(".")],
  ["no claims segment", () => good().replace(/\..*\./, "..")],
  ["no signature", () => good().replace(/[^.]*$/, "")],
  ["a signature whose spare bits are set", () => good().replace(/.$/, spareBits)],
  ["the standard base64 alphabet", () => standardAlphabet()],
  ["a signature one byte short", () => good().slice(0, -4)],
];

test.each(REFUSED)("%s is refused in the same words as everything else", async (_, make) => {
  const token = make();
  const reply = await deploy([["Authorization", `Bearer ${token}`]]);
  expect([reply.status, reply.text, reply.headers.get("WWW-Authenticate")]).toEqual([
    401,
    "unauthorized\n",
    "Bearer",
  ]);
  const id = reply.headers.get("X-Request-Id");
  const line = await daemon.waitForLog(({ fields }) => fields?.["request_id"] === id);
  expect(line).toMatchObject({ level: "warn", message: "unauthorized request" });
  expect(line.fields?.["cause"]).toEqual(expect.stringMatching(/./));
  const segments = token.split(".").filter((part) => part.length > 20);
  for (const part of segments) expect(JSON.stringify(line)).not.toContain(part);
});

const ELSEWHERE: [what: string, target: string, headers: () => [string, string][]][] = [
  ["in the URL", "/deploy?token=T&access_token=T", () => []],
  ["in a cookie", "/deploy", () => [["Cookie", `token=${good()}; Authorization=Bearer ${good()}`]]],
  ["in X-Authorization", "/deploy", () => [["X-Authorization", `Bearer ${good()}`]]],
  ["in Proxy-Authorization", "/deploy", () => [["Proxy-Authorization", `Bearer ${good()}`]]],
  ["as a Basic password", "/deploy", () => [["Authorization", `Basic ${btoa(`x:${good()}`)}`]]],
  ["twice in one header", "/deploy", () => [["Authorization", `Bearer ${good()}, Bearer ${good()}`]]],
  [
    "behind one that is refused",
    "/deploy",
    () => [
      ["Authorization", "Bearer a.b.c"],
      ["Authorization", `Bearer ${good()}`],
    ],
  ],
];

test.each(ELSEWHERE)("a good token %s is no token", async (_, target, headers) => {
  const reply = await deploy(headers(), target.replaceAll("=T", `=${good()}`));
  expect([reply.status, reply.text]).toEqual([401, "unauthorized\n"]);
});

const ACCEPTED: [what: string, token: () => string][] = [
  ["as jwt sign makes it", good],
  ["exp as a float in the future", () => forge(key, RS256, claims({ exp: seconds() + 60.5 }))],
  ["of 8 KB exactly", () => sized(MAX_TOKEN_LENGTH)],
  ["with claims nobody knows", () => forge(key, RS256, claims({ admin: true, aud: ["x"], sub: 7 }))],
  ["with a kid", () => forge(key, { ...RS256, kid: "1" }, claims())],
];

/** There is no compose file here: what gets past the token ends there. */
test.each(ACCEPTED)("a token %s is let in", async (_, make) => {
  const reply = await deploy([["Authorization", `Bearer ${make()}`]]);
  expect(reply.text).toStartWith("unable to update service\ncompose file ");
});

test("nobody followed a header of a token, and nothing was printed but the log", () => {
  expect([visits, daemon.noise()]).toEqual([0, ""]);
});

function deploy(headers: [string, string][], target = "/deploy"): Promise<RawReply> {
  return ask(daemon.port, { method: "POST", target, headers, body: '{"service":"web"}' });
}

function good(): string {
  return forge(key, RS256, claims());
}

function raw(fields: string): string {
  return `{"iss":"github-actions",${fields}}`;
}

function hmac(alg: string, hash: string, secret: string | Buffer): string {
  const input = `${segment({ alg, typ: "JWT" })}.${segment(claims())}`;
  return `${input}.${createHmac(hash, secret).update(input).digest("base64url")}`;
}

function jwkOf({ publicKey }: KeyPair): unknown {
  return createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({ format: "jwk" });
}

/** A good token of so many characters. */
function sized(length: number): string {
  for (let filler = Math.floor((length - good().length) * 0.75) - 30; ; filler++) {
    for (const kid of ["", "1", "12", "123"]) {
      const token = forge(key, { ...RS256, kid }, claims({ filler: "x".repeat(filler) }));
      if (token.length === length) return token;
      if (token.length > length + 8) throw new Error("no token has this length");
    }
  }
}

/** 256 bytes end in a character of which four bits are spare: the same bytes, spelt otherwise. */
function spareBits(last: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(last) + 1] ?? "";
}

function standardAlphabet(): string {
  for (;;) {
    const token = forge(key, RS256, claims({ nonce: Math.random() }));
    if (/[-_]/.test(token)) return token.replaceAll("-", "+").replaceAll("_", "/");
  }
}
