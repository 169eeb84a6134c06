import { expect, test } from "bun:test";
import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";

import { jwtVerify } from "jose";

import { authoriser } from "./authorise.ts";

const LINE = { method: "POST", target: "/deploy", body: '{"service":"web"}' } as const;
const HASH = createHash("sha256").update('POST /deploy\n{"service":"web"}').digest("base64url");
const INPUTS = { key: undefined, issuer: "github-actions", audience: "https://deploy.example.com" };

test("what the key signs is for one request, once, and not for long", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const authorise = authoriser({ ...INPUTS, key, issuer: "shop" }, {});
  const [first, second] = await Promise.all(
    [authorise(LINE), authorise(LINE)].map(async (token) => {
      const { payload } = await jwtVerify(await token, createPublicKey(privateKey));
      return payload;
    }),
  );
  expect(first).toMatchObject({ iss: "shop", req: HASH });
  expect(Number(first?.exp) - Date.now() / 1000).toBeLessThanOrEqual(300);
  expect(first?.jti).not.toBe(second?.jti ?? "");
});

test("GitHub is asked for a token for this daemon and this request", async () => {
  let asked: URL | undefined;
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      asked = new URL(request.url);
      expect(request.headers.get("Authorization")).toBe("Bearer runner-secret");
      return Response.json({ value: "a.b.c" });
    },
  });
  const env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `${server.url.href}idtoken?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-secret",
  };
  expect(await authoriser(INPUTS, env)(LINE)).toBe("a.b.c");
  expect(asked?.searchParams.get("audience")).toBe(`https://deploy.example.com#sha256=${HASH}`);
});

test("a key that cannot be used is told before anything is asked, without a word of it", () => {
  const key = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
  expect(() => authoriser({ ...INPUTS, key }, {})).toThrow(/^input key: /);
  expect(() => authoriser({ ...INPUTS, key }, {})).not.toThrow(/hunter2/);
});
