import { createHmac } from "node:crypto";

import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { exportJWK, jwtVerify, SignJWT } from "jose";

import { DeployerError } from "../core/errors.ts";
import { readPrivateKey, readPublicKey } from "./keys.ts";
import { requestHash } from "./request-hash.ts";
import { signToken } from "./sign.ts";
import { forge, type KeyPair, newKeyPair, privatePem, publicPem, segment } from "./test-keys.ts";
import { createVerifier, type VerifierOptions } from "./verify.ts";

const NOW = 1_795_435_200;
const rsa = newKeyPair("RS256");
const other = newKeyPair("RS256");
const ec = newKeyPair("ES256");
const ed = newKeyPair("EdDSA");
const header = { alg: "RS256", typ: "JWT" };
const claims = { exp: NOW + 300, iss: "github-actions" };
const good = forge(rsa, header, claims);
const verify = verifierFor([rsa]);
const HASH = requestHash("POST", "/deploy", "{}");

test.each([rsa, ec, ed])(
  "a token we sign is accepted by our verifier and by jose: $algorithm",
  async (pair) => {
    const token = await signToken(readPrivateKey(privatePem(pair)), { expiresAt: NOW + 300, issuer: "ci" });
    expect(await verifierFor([pair])(token)).toMatchObject({ issuer: "ci" });
    const checked = await jwtVerify(token, pair.publicKey, {
      algorithms: [pair.algorithm],
      currentDate: new Date(NOW * 1000),
    });
    expect(checked.payload).toEqual({ exp: NOW + 300, iss: "ci" });
  },
);

test.each([rsa, ec, ed])("a token that jose signs is accepted: $algorithm", async (pair) => {
  const token = await new SignJWT(claims).setProtectedHeader({ alg: pair.algorithm }).sign(pair.privateKey);
  expect(await verifierFor([pair])(token)).toMatchObject({ issuer: "github-actions" });
});

test("what is signed is byte for byte the original's header and claims", async () => {
  const token = await signToken(readPrivateKey(privatePem(rsa)), {
    expiresAt: NOW + 300,
    issuer: "github-actions",
  });
  const [head, body] = token.split(".").map((part) => Buffer.from(part, "base64url").toString());
  expect(head).toBe('{"alg":"RS256","typ":"JWT"}');
  expect(body).toBe(`{"exp":${NOW + 300},"iss":"github-actions"}`);
});

test("each of several keys is accepted, of one algorithm or of several", async () => {
  const several = verifierFor([rsa, other, ec, ed]);
  for (const pair of [rsa, other, ec, ed]) {
    expect(await several(forge(pair, { alg: pair.algorithm }, claims))).toMatchObject({
      issuer: "github-actions",
    });
  }
});

test.each([
  ["other claims are ignored", { ...claims, aud: ["a"], sub: 5 }],
  ["exp may have a fraction", { ...claims, exp: NOW + 0.5 }],
  ["exp may lie exactly the longest lifetime ahead", { ...claims, exp: NOW + 3600 }],
  ["nbf may lie 30 s ahead", { ...claims, nbf: NOW + 30 }],
  ["iat may lie 30 s ahead", { ...claims, iat: NOW + 30 }],
  ["nbf and iat may be long past", { ...claims, nbf: 0, iat: -1 }],
])("%s", async (_, body) => {
  expect((await verify(forge(rsa, header, body))).issuer).toBe("github-actions");
});

test("without any key every token is refused, and why is said", async () => {
  const without = createVerifier({ keys: () => [], now: () => NOW * 1000 });
  await expect(without(forge(rsa, header, claims))).rejects.toMatchObject({
    code: "unauthorized",
    message: "there is no key to verify it with",
  });
});

test("jti and req say what a token is bound to, and nothing more is needed", async () => {
  const needs = { id: false, request: false };
  const expiresAt = (NOW + 300) * 1000;
  const bound = forge(rsa, header, { ...claims, jti: "x".repeat(255), req: HASH });
  expect((await verify(bound)).token).toEqual({
    id: "x".repeat(255),
    request: HASH,
    needs,
    expiresAt,
  });
  expect((await verify(good)).token).toEqual({ id: undefined, request: undefined, needs, expiresAt });
});

test("where it is strict both are needed, of POST requests, and a plain token is still one", async () => {
  const strict = verifierFor([rsa], { strict: true });
  expect((await strict(good)).token).toMatchObject({ id: undefined, needs: { id: true, request: true } });
});

test("a header without typ, or with a kid, is accepted", async () => {
  expect(await verify(forge(rsa, { alg: "RS256" }, claims))).toMatchObject({ issuer: "github-actions" });
  expect(await verify(forge(rsa, { kid: "../../key", ...header }, claims))).toMatchObject({
    issuer: "github-actions",
  });
});

const [head = "", body = "", signature = ""] = good.split(".");
const hmac = (input: string) => createHmac("sha256", publicPem(rsa)).update(input).digest("base64url");
const hs256 = `${segment({ alg: "HS256", typ: "JWT" })}.${body}`;

test.each([
  ["no signature under alg none", `${segment({ alg: "none" })}.${body}.`, /base64 decode signature/],
  ["alg none with a signature", forge(rsa, { alg: "none" }, claims), /"none" is invalid/],
  ["alg NONE", forge(rsa, { alg: "NONE" }, claims), /"NONE" is invalid/],
  ["HS256 with the public key's PEM as secret", `${hs256}.${hmac(hs256)}`, /"HS256" is invalid/],
  ["RS384", forge(rsa, { alg: "RS384" }, claims, "sha384"), /"RS384" is invalid/],
  ["RS512", forge(rsa, { alg: "RS512" }, claims, "sha512"), /"RS512" is invalid/],
  ["PS256", forge(rsa, { alg: "PS256" }, claims), /"PS256" is invalid/],
  ["ES256 where only an RSA key is known", forge(ec, { alg: "ES256" }, claims), /"ES256" is invalid/],
  ["RS256 in another case", forge(rsa, { alg: "rs256" }, claims), /"rs256" is invalid/],
  ["an alg of 5 KB", forge(rsa, { alg: "A".repeat(5000) }, claims), /^signing method "A{20}" is invalid/],
  ["no alg", forge(rsa, { typ: "JWT" }, claims), /alg.* is unspecified/],
  ["an alg that is a list", forge(rsa, { alg: ["RS256"] }, claims), /alg.* is unspecified/],
  [
    "a duplicate alg, the last one none",
    forge(rsa, '{"alg":"RS256","alg":"none"}', claims),
    /^token has "alg" twice in its header/,
  ],
  [
    "a duplicate alg, the last one good",
    forge(rsa, '{"alg":"none","alg":"RS256"}', claims),
    /^token has "alg" twice in its header/,
  ],
  [
    "an embedded jwk",
    forge(other, { ...header, jwk: await exportJWK(other.publicKey) }, claims),
    /has "jwk"/,
  ],
  ["a jku", forge(rsa, { ...header, jku: "http://127.0.0.1/keys" }, claims), /has "jku"/],
  ["an x5u", forge(rsa, { ...header, x5u: "http://127.0.0.1/crt" }, claims), /has "x5u"/],
  ["an x5c", forge(rsa, { ...header, x5c: [] }, claims), /has "x5c"/],
  ["an unknown crit", forge(rsa, { ...header, crit: ["b64"], b64: true }, claims), /has "crit"/],
  ["an empty crit", forge(rsa, { ...header, crit: [] }, claims), /has "crit"/],
  ["a header that is null", forge(rsa, "null", claims), /JSON decode header/],
  ["a header that is a list", forge(rsa, "[]", claims), /JSON decode header/],
  ["a header that is no JSON", forge(rsa, "{", claims), /JSON decode header/],
  ["another key", forge(other, header, claims), /signature is invalid/],
  ["one signature character changed", `${head}.${body}.${changeAt(signature, 100)}`, /signature is invalid/],
  [
    "the unused bits of the last character changed",
    `${head}.${body}.${signature.slice(0, -1)}${unusedBit(signature)}`,
    /base64 decode signature/,
  ],
  ["padding after the signature", `${good}==`, /base64 decode signature/],
  ["the plain base64 alphabet", good.replace(/.$/, "+"), /base64 decode signature/],
  ["a claim changed", `${head}.${segment({ ...claims, iss: "root" })}.${signature}`, /signature is invalid/],
  ["a signature cut short", `${head}.${body}.${signature.slice(0, 100)}`, /signature is invalid/],
  ["an empty signature", `${head}.${body}.`, /base64 decode signature/],
  ["an empty header", `.${body}.${signature}`, /base64 decode header/],
  ["empty claims", `${head}..${signature}`, /base64 decode claims/],
  ["nothing", "", /number of segments/],
  ["two dots", "..", /base64 decode header/],
  ["two segments", `${head}.${body}`, /number of segments/],
  ["five segments, as in an encrypted token", `${good}.a.b`, /number of segments/],
  ["a trailing space", `${good} `, /base64 decode signature/],
  ["more than 8 KB", `${good}${"A".repeat(8193 - good.length)}`, /longer than 8192/],
  ["8 KB of brackets", `${segment("[".repeat(4000))}.${body}.${signature}`, /JSON decode header/],
  ["8 KB of dots", ".".repeat(8192), /number of segments/],
  ["claims that are a list", forge(rsa, header, "[1]"), /JSON decode claims/],
  [
    "claims that are not UTF-8",
    forge(rsa, header, Buffer.from('{"iss":"\xff"}', "latin1")),
    /JSON decode claims/,
  ],
  [
    "claims in a prototype",
    forge(rsa, header, `{"__proto__":${JSON.stringify(claims)}}`),
    /claim iss.*claim exp/,
  ],
  ["no exp", forge(rsa, header, { iss: "a" }), /^claim exp/],
  ["exp null", forge(rsa, header, { ...claims, exp: null }), /^claim exp/],
  ["exp as a string", forge(rsa, header, { ...claims, exp: `${NOW + 300}` }), /^claim exp/],
  ["exp as a list", forge(rsa, header, { ...claims, exp: [NOW + 300] }), /^claim exp/],
  ["exp true", forge(rsa, header, { ...claims, exp: true }), /^claim exp/],
  ["exp beyond every number", forge(rsa, header, '{"iss":"a","exp":1e999}'), /^claim exp/],
  ["exp 0", forge(rsa, header, { ...claims, exp: 0 }), /^expired/],
  ["exp negative", forge(rsa, header, { ...claims, exp: -NOW }), /^expired/],
  ["exp in this very second", forge(rsa, header, { ...claims, exp: NOW }), /^expired/],
  ["exp half a second ago", forge(rsa, header, { ...claims, exp: NOW - 0.5 }), /^expired/],
  [
    "exp one second over the longest lifetime",
    forge(rsa, header, { ...claims, exp: NOW + 3601 }),
    /more than 3600 s/,
  ],
  ["exp in milliseconds", forge(rsa, header, { ...claims, exp: (NOW + 300) * 1000 }), /more than 3600 s/],
  ["exp huge", forge(rsa, header, { ...claims, exp: 1e300 }), /more than 3600 s/],
  [
    "a duplicate exp, the last one past",
    forge(rsa, header, `{"iss":"a","exp":${NOW + 300},"exp":${NOW - 1}}`),
    /^token has "exp" twice in its claims/,
  ],
  [
    "a duplicate exp, the last one good",
    forge(rsa, header, `{"iss":"a","exp":1,"exp":${NOW + 300}}`),
    /^token has "exp" twice in its claims/,
  ],
  [
    "a duplicate claim that nobody asks for, spelt in two ways",
    forge(rsa, header, `{"iss":"a","exp":${NOW + 300},"sub":"a","s\\u0075b":"b"}`),
    /^token has "sub" twice in its claims/,
  ],
  ["no iss", forge(rsa, header, { exp: NOW + 300 }), /^claim iss/],
  ["iss empty", forge(rsa, header, { ...claims, iss: "" }), /^claim iss/],
  ["iss a number", forge(rsa, header, { ...claims, iss: 5 }), /^claim iss/],
  ["nbf 31 s ahead", forge(rsa, header, { ...claims, nbf: NOW + 31 }), /^not valid yet/],
  ["nbf as a string", forge(rsa, header, { ...claims, nbf: "0" }), /^claim nbf/],
  ["iat 31 s ahead", forge(rsa, header, { ...claims, iat: NOW + 31 }), /^issued ahead/],
  ["iat null", forge(rsa, header, { ...claims, iat: null }), /^claim iat/],
  ["jti empty", forge(rsa, header, { ...claims, jti: "" }), /^claim jti/],
  ["jti of 256 characters", forge(rsa, header, { ...claims, jti: "x".repeat(256) }), /^claim jti/],
  ["jti a number", forge(rsa, header, { ...claims, jti: 7 }), /^claim jti/],
  ["jti null", forge(rsa, header, { ...claims, jti: null }), /^claim jti/],
  ["req in hexadecimal", forge(rsa, header, { ...claims, req: "0".repeat(64) }), /^claim req/],
  ["req with padding", forge(rsa, header, { ...claims, req: `${HASH}=` }), /^claim req/],
  ["req in the plain alphabet", forge(rsa, header, { ...claims, req: `+${HASH.slice(1)}` }), /^claim req/],
  ["req empty", forge(rsa, header, { ...claims, req: "" }), /^claim req/],
  ["req in a list", forge(rsa, header, { ...claims, req: [HASH] }), /^claim req/],
])("%s is refused", async (_, token, cause) => {
  const error = await refusal(verify, token);
  expect(error.message).toMatch(cause);
});

test("an empty ES256 signature value (r = s = 0) is refused", async () => {
  const input = `${segment({ alg: "ES256" })}.${body}`;
  const error = await refusal(verifierFor([ec]), `${input}.${Buffer.alloc(64).toString("base64url")}`);
  expect(error.message).toBe("token signature is invalid");
});

test("an RS256 token is refused where only an EC key is known, although its header may say ES256", async () => {
  expect((await refusal(verifierFor([ec]), good)).message).toMatch(/"RS256" is invalid; it must be ES256/);
  expect((await refusal(verifierFor([ec]), forge(rsa, { alg: "ES256" }, claims))).message).toBe(
    "token signature is invalid",
  );
});

test("a signature counts for its own key's algorithm only, where both algorithms are known", async () => {
  const error = await refusal(verifierFor([rsa, ec]), forge(rsa, { alg: "ES256" }, claims));
  expect(error.message).toBe("token signature is invalid");
});

test("a token of exactly 8 KB is judged like any other", async () => {
  const room = Math.floor(((8192 - head.length - signature.length - 2) * 3) / 4);
  const pad = "x".repeat(room - JSON.stringify({ ...claims, pad: "" }).length);
  const token = forge(rsa, header, { ...claims, pad });
  expect(token.length).toBe(8192);
  expect(await verify(token)).toMatchObject({ issuer: "github-actions" });
  expect((await refusal(verify, `${token.slice(0, 8000)}${changeAt(token.slice(8000), 20)}`)).message).toBe(
    "token signature is invalid",
  );
});

test("a list of issuers narrows who may sign, and an empty list lets nobody", async () => {
  expect(await verifierFor([rsa], { issuers: ["a", "github-actions"] })(good)).toMatchObject({
    issuer: "github-actions",
  });
  expect((await refusal(verifierFor([rsa], { issuers: ["github"] }), good)).message).toBe(
    'issuer "github-actions" is not one of those allowed',
  );
  expect((await refusal(verifierFor([rsa], { issuers: [] }), good)).message).toMatch(
    /not one of those allowed/,
  );
});

test("the longest lifetime can be set", async () => {
  expect((await refusal(verifierFor([rsa], { maxLifetimeSeconds: 299 }), good)).message).toMatch(
    /more than 299 s/,
  );
  expect(await verifierFor([rsa], { maxLifetimeSeconds: 300 })(good)).toMatchObject({
    issuer: "github-actions",
  });
});

test("a token is accepted until its exp and not a millisecond longer", async () => {
  let now = (NOW + 300) * 1000 - 1;
  const clocked = verifierFor([rsa], { now: () => now });
  expect(await clocked(good)).toMatchObject({ issuer: "github-actions" });
  now += 1;
  expect((await refusal(clocked, good)).message).toMatch(/^expired/);
});

test("a failure to read the keys is a refusal, with its cause", async () => {
  const broken = createVerifier({
    keys: () => {
      throw new Error("disk");
    },
  });
  expect((await refusal(broken, good)).cause).toEqual(new Error("disk"));
});

test("no cause repeats a token or its signature", async () => {
  for (const token of [`${good}x`, `${good}.x`, forge(other, header, claims), `${head}.${body}.`]) {
    expect((await refusal(verify, token)).message).not.toContain(head.slice(0, 12));
  }
});

test("any string is refused as unauthorized, never otherwise", async () => {
  const strings = fc.oneof(
    fc.string({ unit: "binary", maxLength: 10_000 }),
    fc.array(fc.base64String(), { maxLength: 5 }).map((parts) => parts.join(".")),
    fc.tuple(fc.json(), fc.json(), fc.json()).map((parts) => parts.map(segment).join(".")),
  );
  await fc.assert(
    fc.asyncProperty(strings, async (token) => void (await refusal(verify, token))),
    { numRuns: 300 },
  );
});

test("any change of a good token is refused as unauthorized, never otherwise", async () => {
  const position = fc.nat(good.length - 1);
  const mutations = fc.oneof(
    fc
      .tuple(position, fc.string({ unit: "binary", maxLength: 3 }))
      .map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1)),
    fc
      .tuple(position, fc.constantFrom(...good.split("")))
      .map(([at, character]) => good.slice(0, at) + character + good.slice(at + 1)),
    fc.tuple(position, position).map(([from, to]) => good.slice(from, to)),
    fc.jsonValue().map((value) => `${segment(JSON.stringify(value))}.${body}.${signature}`),
    fc
      .dictionary(fc.constantFrom("alg", "typ", "crit", "kid", "jwk"), fc.jsonValue())
      .map((value) => `${segment(value)}.${body}.${signature}`),
  );
  const property = fc.asyncProperty(mutations, async (token) => {
    fc.pre(token !== good);
    await refusal(verify, token);
  });
  await fc.assert(property, { numRuns: 300 });
});

test("claims of any shape under a good signature name an issuer or are refused as unauthorized", async () => {
  const value = fc.oneof(fc.jsonValue(), fc.double(), fc.constantFrom(NOW + 300, NOW, "ci", ""));
  const anyClaims = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom("iss", "exp", "nbf", "iat", "__proto__"), value),
  );
  const property = fc.asyncProperty(anyClaims, async (claims) => {
    const token = forge(ed, { alg: "EdDSA" }, JSON.stringify(claims) ?? "null");
    const outcome = await verifierFor([ed])(token).catch((error: unknown) => error);
    if (outcome instanceof DeployerError) expect(outcome.code).toBe("unauthorized");
    else expect(outcome).toMatchObject({ issuer: expect.stringMatching(/./s) });
  });
  await fc.assert(property, { numRuns: 300 });
});

function verifierFor(pairs: KeyPair[], options: Partial<VerifierOptions> = {}) {
  const keys = pairs.map((pair) => readPublicKey(publicPem(pair)));
  return createVerifier({ keys: () => keys, now: () => NOW * 1000, ...options });
}

async function refusal(verify: ReturnType<typeof createVerifier>, token: string): Promise<DeployerError> {
  const outcome = await verify(token).catch((error: unknown) => error);
  if (!(outcome instanceof DeployerError))
    throw new Error("the token was not refused as it should", { cause: outcome });
  expect(outcome.code).toBe("unauthorized");
  return outcome;
}

function changeAt(text: string, index: number): string {
  return text.slice(0, index) + (text[index] === "A" ? "B" : "A") + text.slice(index + 1);
}

/** The last character of 256 bytes in base64url carries two bits and four unused ones, all zero. */
function unusedBit(text: string): string {
  return { A: "B", Q: "R", g: "h", w: "x" }[text.slice(-1)] ?? "";
}
