import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { createRemoteJWKSet, customFetch, jwtVerify } from "jose";

import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";

let issuer: OidcIssuer;
beforeAll(async () => {
  issuer = await startOidcIssuer();
});
afterAll(() => issuer[Symbol.asyncDispose]());

function trusting(input: string, init: RequestInit = {}): Promise<Response> {
  return fetch(input, { ...init, tls: { ca: readFileSync(issuer.caFile, "utf8") } });
}

async function ask(audience: string, bearer?: string): Promise<{ status: number; json: unknown }> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: own } = issuer.runner();
  const headers = { Authorization: `bearer ${bearer ?? own}` };
  const response = await trusting(`${url}&audience=${encodeURIComponent(audience)}`, { headers });
  return { status: response.status, json: await response.json() };
}

test("what it gives a runner is a token that jose accepts by its published keys", async () => {
  const { json } = await ask("https://deploy.example.com");
  const { value, count } = json as { value: string; count: number };
  const keys = createRemoteJWKSet(new URL(`${issuer.url}/.well-known/jwks`), {
    [customFetch]: (url, init) => trusting(url, init),
  });
  const { payload } = await jwtVerify(value, keys, {
    issuer: issuer.url,
    audience: "https://deploy.example.com",
    algorithms: ["RS256"],
  });
  expect(count).toBe(value.length);
  expect(payload).toMatchObject({ repository_id: "74612345", sub: "repo:acme/shop:ref:refs/heads/main" });
});

test("a runner without its own token is not given another's, and failures are said as GitHub says them", async () => {
  expect((await ask("x", "wrong")).status).toBe(401);
  issuer.failRunners("audience", 1);
  expect(await ask("sts.example.com")).toMatchObject({
    status: 403,
    json: { message: "Can't issue ID_TOKEN for audience 'sts.example.com'." },
  });
  expect((await ask("sts.example.com")).status).toBe(200);
});

test("it can be down, and come back at the same port", async () => {
  await issuer.down();
  const refused = await trusting(`${issuer.url}/.well-known/jwks`).then(
    () => undefined,
    (error: unknown) => error,
  );
  issuer.up();
  expect(refused).toBeInstanceOf(Error);
  expect((await trusting(`${issuer.url}/.well-known/jwks`)).status).toBe(200);
});
