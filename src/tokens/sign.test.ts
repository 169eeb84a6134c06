import { expect, test } from "bun:test";

import { decodeProtectedHeader, jwtVerify } from "jose";

import { readPrivateKey } from "./keys.ts";
import { requestHash } from "./request-hash.ts";
import { signRequestToken } from "./sign.ts";
import { newKeyPair, privatePem } from "./test-keys.ts";

const NOW = Date.parse("2026-11-23T12:00:00.900Z");
const request = requestHash("POST", "/deploy", '{"service":"web"}');

test.each(["RS256", "ES256", "EdDSA"] as const)(
  "a token for one request, by a key for %s, says who, for how long, once, and for what",
  async (algorithm) => {
    const pair = newKeyPair(algorithm);
    const key = readPrivateKey(privatePem(pair));
    const sign = () => signRequestToken(key, { issuer: "ci", request, now: NOW });
    const [token, another] = [await sign(), await sign()];
    expect(decodeProtectedHeader(token)).toEqual({ alg: algorithm, typ: "JWT" });
    const read = (text: string) => jwtVerify(text, pair.publicKey, { currentDate: new Date(NOW) });
    const { payload } = await read(token);
    const iat = Math.floor(NOW / 1000);
    const jti = expect.stringMatching(/^[\w-]{22,}$/);
    expect(payload).toEqual({ iss: "ci", iat, exp: iat + 300, jti, req: request });
    expect((await read(another)).payload.jti).not.toBe(payload.jti);
  },
);
