import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";

import { type Caller, MAY_ALL, type TokenUse } from "../core/caller.ts";
import { accept } from "../core/deployment.ts";
import type { RepeatKey } from "../core/repeat-key.ts";
import { requestHash } from "../tokens/request-hash.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { serve, type Server } from "./serve.ts";
import { createApp } from "./server.ts";

const BODY = '{"service":"web"}';
const FOR_DEPLOY = requestHash("POST", "/deploy", BODY);
const REFUSED = [401, "unauthorized\n", "Bearer"];

/** A daemon that takes every token for one with this use. */
function daemonFor(use: Partial<TokenUse>, repository?: string) {
  const keys: RepeatKey[] = [];
  const needs = { id: false, request: false };
  const token = { id: undefined, request: undefined, needs, expiresAt: 5_000, ...use };
  const caller: Caller = { issuer: "ci", may: MAY_ALL, repository, token };
  const fake = fakeDaemon({
    verify: async () => caller,
    requestHash,
    submit: async (request, issuer, given) => {
      keys.push(...given);
      return accept("d1", request, issuer, CREATED_AT);
    },
  });
  return { ...fake, keys };
}

async function send(
  use: Partial<TokenUse>,
  {
    method = "POST",
    target = "/deploy",
    body = BODY,
    headers = {},
    repository = undefined as string | undefined,
  } = {},
) {
  const fake = daemonFor(use, repository);
  const init = {
    method,
    headers: { ...AUTHORIZED, Prefer: "respond-async", ...headers },
    ...(method === "POST" ? { body } : {}),
  };
  const response = await createApp(fake.daemon).request(target, init, NO_NETWORK);
  const outside = [response.status, await response.text(), response.headers.get("WWW-Authenticate")];
  return { ...fake, status: response.status, outside };
}

test("a token for this very request is accepted", async () => {
  expect((await send({ request: FOR_DEPLOY })).status).toBe(202);
});

test.each([
  ["another body", { body: '{"service":"db"}' }],
  ["a body with a space more", { body: `${BODY} ` }],
  ["the same body in base64", { body: btoa(BODY) }],
  ["no body", { body: "" }],
  ["another path: a captured deploy as a rollback", { target: "/rollback" }],
  ["a query", { target: "/deploy?x" }],
  ["an empty query", { target: "/deploy?" }],
  ["the path in another spelling", { target: "/dep%6Coy" }],
  ["another method", { method: "GET", target: "/services" }],
])("a token for another request is refused: %s", async (_, request) => {
  const { outside, lines, keys } = await send({ request: FOR_DEPLOY, id: "t1" }, request);
  expect(outside).toEqual(REFUSED);
  expect(keys).toEqual([]);
  expect(lines.at(-1)).toMatchObject({
    level: "warn",
    message: "unauthorized request",
    fields: { cause: expect.stringMatching(/^the token is for another request/) },
  });
});

test.each([
  ["of another length", FOR_DEPLOY.slice(1)],
  ["empty", ""],
  ["in another case", FOR_DEPLOY.toLowerCase()],
])("a hash %s is another one", async (_, request) => {
  expect((await send({ request })).outside).toEqual(REFUSED);
});

test("a token for one GET request reads that and no other, whatever the query says", async () => {
  const request = requestHash("GET", "/deployments?limit=1", "");
  const read = (target: string, method = "GET") => send({ request }, { method, target });
  expect((await read("/deployments?limit=1")).status).toBe(200);
  for (const target of [
    "/deployments",
    "/deployments?limit=2",
    "/deployments?limit=1&",
    "/services",
    "/config",
  ])
    expect([target, (await read(target)).outside]).toEqual([target, REFUSED]);
  expect((await read("/deployments?limit=1", "HEAD")).status).toBe(401);
});

test("a token for something else opens no details of /ready", async () => {
  const { status, outside, lines } = await send({ request: FOR_DEPLOY }, { method: "GET", target: "/ready" });
  expect([status, outside[1]]).toEqual([200, expect.not.stringContaining("details")]);
  expect(lines.at(-1)).toMatchObject({ message: "unauthorized request" });
});

describe("where it is needed", () => {
  const needs = { id: true, request: true };

  test.each([
    ["neither", {}, /jti/],
    ["no jti", { request: FOR_DEPLOY }, /jti/],
    ["no req", { id: "t1" }, /req/],
  ])("a POST with %s is refused", async (_, use, cause) => {
    const { outside, lines, keys } = await send({ ...use, needs });
    expect([outside, keys]).toEqual([REFUSED, []]);
    expect(lines.at(-1)?.fields["cause"]).toMatch(cause);
  });

  test("one with both is accepted, and what only reads needs neither", async () => {
    expect((await send({ id: "t1", request: FOR_DEPLOY, needs })).status).toBe(202);
    expect((await send({ needs }, { method: "GET", target: "/services" })).status).toBe(200);
  });
});

test("the jti decides before the Idempotency-Key, and each says how long it is needed", async () => {
  const hash = new Bun.CryptoHasher("sha256").update(BODY).digest("hex");
  const request = `POST /deploy ${hash}`;
  const { keys } = await send({ id: "t1" }, { headers: { "Idempotency-Key": "k1" } });
  expect(keys).toEqual([
    { kind: "token", owner: "", key: "t1", request, goodUntil: 5_000 },
    { kind: "header", owner: "ci", key: "k1", request, goodUntil: 0 },
  ]);
  expect((await send({ id: "t1" }, { method: "GET", target: "/services" })).keys).toEqual([]);
});

test("an Idempotency-Key is its repository's own, and a run must be of it", async () => {
  const body = (workflow: string) => JSON.stringify({ service: "web", run: { workflow, number: 1 } });
  const own = { repository: "123", headers: { "Idempotency-Key": "k1" }, body: body("123/deploy.yml") };
  const { status, keys } = await send({}, own);
  expect([status, keys.map(({ owner }) => owner)]).toEqual([202, ["ci/123"]]);
  expect((await send({}, { ...own, body: body("456/deploy.yml") })).status).toBe(403);
});

describe("on a socket", () => {
  let server: Server | undefined;
  afterEach(async () => {
    await server?.stop(0);
    server = undefined;
  });

  /** The status of a request whose line and headers go out as they are. */
  async function statusOf(use: Partial<TokenUse>, target: string, headers = ""): Promise<number> {
    await server?.stop(0);
    server = serve(daemonFor(use).daemon, { port: 0, bindAddress: "127.0.0.1" });
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(server.port, "127.0.0.1");
    let reply = "";
    socket.on("data", (data) => (reply += data.toString("latin1")));
    socket.on("close", () => resolve(reply));
    socket.write(
      `POST ${target} HTTP/1.1\r\nHost: deploy.example.com\r\nConnection: close\r\nAuthorization: Bearer a\r\nPrefer: respond-async\r\n${headers}Content-Length: ${BODY.length}\r\n\r\n${BODY}`,
    );
    return Number((await promise).slice("HTTP/1.1 ".length).slice(0, 3));
  }

  test("a spelling that leads to the same answer is the same request, and no other one is", async () => {
    const same = ["/deploy", "/./deploy", "/x/../deploy", "/x/%2e%2e/deploy", "http://elsewhere/deploy"];
    for (const target of same)
      expect([target, await statusOf({ request: FOR_DEPLOY }, target)]).toEqual([target, 202]);
    const others = [
      "/deploy?",
      "/deploy#",
      "/deploy?/../deploy",
      "/dep%6coy",
      "/rollback",
      "/deploy/../rollback",
    ];
    for (const target of others)
      expect([target, await statusOf({ request: FOR_DEPLOY }, target)]).toEqual([target, 401]);
  });

  test("a query is bound as it came, or not at all", async () => {
    const request = requestHash("POST", "/deploy?a=%20'", BODY);
    expect(await statusOf({ request }, "/deploy?a=%20'")).toBe(401);
    const asRead = requestHash("POST", "/deploy?a=%20%27", BODY);
    expect(await statusOf({ request: asRead }, "/deploy?a=%20%27")).toBe(202);
    expect(await statusOf({ request: asRead }, "/deploy?a=%20&")).toBe(401);
  });
});
