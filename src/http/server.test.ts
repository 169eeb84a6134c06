import { expect, test } from "bun:test";

import { DeployerError, type ErrorCode } from "../core/errors.ts";
import { AUTHORIZED, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

type Changes = Parameters<typeof fakeDaemon>[0];
type Init = { method?: string; headers?: Record<string, string>; body?: string };

async function ask(path: string, init: Init = {}, changes: Changes = {}) {
  const fake = fakeDaemon(changes);
  const response = await createApp(fake.daemon).request(path, init, NO_NETWORK);
  return {
    ...fake,
    response,
    status: response.status,
    headers: response.headers,
    text: await response.text(),
  };
}

const JSON_ACCEPTED = { Accept: "application/json" };
const TEXT = "text/plain; charset=utf-8";
const CONFIG = '{"version":"v1.2.3","port":"8686","debug_mode":false}\n';

const REPLIES: [
  request: string,
  headers: Record<string, string>,
  debugMode: boolean,
  status: number,
  text: string,
][] = [
  ["GET /health", {}, false, 200, "deployer healthy\n"],
  ["HEAD /health", {}, false, 200, ""],
  ["POST /health", {}, false, 405, "method not allowed\n"],
  ["GET /version", {}, false, 200, "v1.2.3\n"],
  ["POST /version", {}, false, 405, "method not allowed\n"],
  ["GET /config", {}, false, 401, "unauthorized\n"],
  ["GET /config", AUTHORIZED, false, 200, CONFIG],
  ["GET /config", {}, true, 200, CONFIG],
  ["POST /config", {}, false, 405, "method not allowed\n"],
  ["GET /", {}, false, 404, "404 page not found\n"],
  ["POST /nope", {}, false, 404, "404 page not found\n"],
  ["GET /health/", {}, false, 404, "404 page not found\n"],
  ["GET /deployments/", AUTHORIZED, false, 404, "404 page not found\n"],
  ["POST /logout", {}, false, 401, "unauthorized\n"],
  ["POST /logout", AUTHORIZED, false, 401, "unauthorized\n"],
  ["GET /logout", {}, false, 405, "method not allowed\n"],
  ["POST /logout", {}, true, 200, "docker logout successful\n"],
  ["GET /logout", {}, true, 405, "method not allowed\n"],
  ["GET /deploy", {}, false, 405, "method not allowed\n"],
  ["GET /deploy", AUTHORIZED, false, 405, "method not allowed\n"],
  ["HEAD /deploy", {}, false, 405, ""],
  ["PUT /deploy", AUTHORIZED, false, 405, "method not allowed\n"],
  ["POST /deployments/d1", AUTHORIZED, false, 405, "method not allowed\n"],
  ["OPTIONS /deploy", {}, false, 405, "method not allowed\n"],
];
for (const [request, headers, debugMode, status, text] of REPLIES) {
  const kind = `${"Authorization" in headers ? " with a token" : ""}${debugMode ? " in debug mode" : ""}`;
  test(`${request}${kind} is ${status}`, async () => {
    const [method = "", path = ""] = request.split(" ");
    const reply = await ask(path, { method, headers }, { debugMode });
    expect([reply.status, reply.text]).toEqual([status, text]);
    expect(reply.headers.get("X-Request-Id")).toBe("r1");
    expect(reply.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(reply.headers.get("Content-Type")).toBe(text.startsWith("{") ? "application/json" : TEXT);
  });
}

const ALLOWED: [path: string, method: string, allow: string][] = [
  ["/health", "POST", "GET, HEAD"],
  ["/deployments/x", "DELETE", "GET, HEAD"],
  ["/deploy", "GET", "POST"],
  ["/logout", "HEAD", "POST"],
];
for (const [path, method, allow] of ALLOWED) {
  test(`${method} ${path} names the methods that are allowed`, async () => {
    expect((await ask(path, { method })).headers.get("Allow")).toBe(allow);
  });
}

const JSON_REPLIES: [request: string, headers: Record<string, string>, status: number, json: unknown][] = [
  ["GET /health", {}, 200, { message: "deployer healthy" }],
  ["GET /version", {}, 200, { version: "v1.2.3" }],
  ["GET /nope", {}, 404, { error: { code: "not_found", message: "404 page not found" } }],
  ["GET /deploy", {}, 405, { error: { code: "method_not_allowed", message: "method not allowed" } }],
  ["POST /deploy", {}, 401, { error: { code: "unauthorized", message: "unauthorized" } }],
  [
    "GET /deployments/d9",
    AUTHORIZED,
    404,
    { error: { code: "not_found", message: 'unknown deployment "d9"' } },
  ],
];
for (const [request, headers, status, json] of JSON_REPLIES) {
  test(`${request} with Accept: application/json is ${status} in JSON`, async () => {
    const [method = "", path = ""] = request.split(" ");
    const reply = await ask(path, { method, headers: { ...headers, ...JSON_ACCEPTED } });
    expect([reply.status, JSON.parse(reply.text)]).toEqual([status, json]);
    expect(reply.headers.get("Content-Type")).toBe("application/json");
    expect(reply.text).toEndWith("}\n");
  });
}

test("logout drops the credential in debug mode only", async () => {
  expect((await ask("/logout", { method: "POST" }, { debugMode: true })).calls).toEqual(["logout"]);
  expect((await ask("/logout", { method: "POST", headers: AUTHORIZED })).calls).toEqual([]);
});

const STATUSES: [code: ErrorCode, status: number][] = [
  ["invalid", 400],
  ["not_found", 404],
  ["conflict", 409],
  ["not_deployable", 422],
  ["queue_full", 429],
  ["shutting_down", 503],
];
for (const [code, status] of STATUSES) {
  test(`a deployment refused as ${code} is ${status} with the message`, async () => {
    const submit = () => Promise.reject(new DeployerError(code, "because"));
    const reply = await ask(
      "/deploy",
      { method: "POST", headers: AUTHORIZED, body: '{"service":"web"}' },
      { submit },
    );
    expect([reply.status, reply.text]).toEqual([status, "because\n"]);
    expect(reply.headers.get("Retry-After")).toBe(status === 429 || status === 503 ? "30" : null);
    expect(reply.headers.get("Deployer-Deployment")).toBeNull();
  });
}

for (const code of [
  "docker",
  "compose_file",
  "registry_denied",
  "registry_unavailable",
  "image_not_found",
] as const) {
  test(`a deployment that cannot begin for ${code} is 500 in the original's words, and then why`, async () => {
    const submit = () => Promise.reject(new DeployerError(code, "because"));
    const init = { method: "POST", headers: AUTHORIZED, body: '{"service":"web"}' };
    const reply = await ask("/deploy", init, { submit });
    expect([reply.status, reply.text]).toEqual([500, "unable to update service\nbecause\n"]);
    const json = await ask("/deploy", { ...init, headers: { ...AUTHORIZED, ...JSON_ACCEPTED } }, { submit });
    expect(JSON.parse(json.text)).toEqual({ error: { code, message: "unable to update service\nbecause" } });
  });
}

test("a stranger's error stays in the log", async () => {
  const submit = () => Promise.reject(new TypeError("secret detail"));
  const reply = await ask(
    "/deploy",
    { method: "POST", headers: AUTHORIZED, body: '{"service":"web"}' },
    { submit },
  );
  expect([reply.status, reply.text]).toEqual([500, "unable to update service\ninternal error\n"]);
  expect(reply.lines).toMatchObject([
    { level: "error", message: "request failed", fields: { error: { message: "secret detail" } } },
  ]);
  const version = await ask(
    "/deployments/d1",
    { headers: AUTHORIZED },
    {
      find: () => {
        throw new TypeError("secret detail");
      },
    },
  );
  expect([version.status, version.text]).toEqual([500, "internal error\n"]);
});

test("what is our fault is logged with its cause", async () => {
  const cause = new Error("connect ENOENT");
  const submit = () => Promise.reject(new DeployerError("docker", "cannot reach Docker", { cause }));
  const init = { method: "POST", headers: AUTHORIZED, body: '{"service":"web"}' };
  const { lines } = await ask("/deploy", init, { submit });
  expect(lines).toMatchObject([
    { level: "error", fields: { status: 500, error: { code: "docker", cause } } },
  ]);
});

test("a request leaves one line, without its query", async () => {
  const { lines } = await ask("/version?token=x");
  expect(lines).toEqual([
    {
      level: "info",
      message: "request",
      fields: {
        method: "GET",
        path: "/version",
        status: 200,
        ms: expect.any(Number),
        request_id: "r1",
        remote: "192.0.2.7",
      },
    },
  ]);
});

test("health and ready are logged at debug", async () => {
  expect((await ask("/health")).lines.map((line) => line.level)).toEqual(["debug"]);
  expect((await ask("/ready")).lines.map((line) => line.level)).toEqual(["debug"]);
});

test("a refused token leaves one warning with the cause, and not the token", async () => {
  const { lines, text } = await ask("/deploy", {
    method: "POST",
    headers: { Authorization: "Bearer wrong" },
  });
  expect(text).toBe("unauthorized\n");
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: "unauthorized request",
      fields: { cause: "token signature is invalid", request_id: "r1", remote: "192.0.2.7", path: "/deploy" },
    },
  ]);
  expect(JSON.stringify(lines)).not.toContain("wrong");
});

test("what was refused is kept with its cause and its claims, never with the token", async () => {
  const wrong = { Authorization: "Bearer wrong" };
  const { daemon, rejected } = await ask("/deploy?secret", { method: "POST", headers: wrong });
  daemon.refusals.write();
  expect(rejected).toEqual([
    {
      at: expect.any(Number),
      remote: "192.0.2.7",
      method: "POST",
      path: "/deploy",
      code: "unauthorized",
      cause: "token signature is invalid",
      verified: false,
      claims: { shown: "wrong" },
      unlisted: 0,
    },
  ]);
});

const REFUSALS: [what: string, path: string, changes: Changes, kept: Record<string, unknown>][] = [
  [
    "a good token without a right",
    "/services",
    { services: () => Promise.reject(new DeployerError("forbidden", "no rule for it")) },
    { code: "forbidden", cause: "no rule for it", verified: true },
  ],
  [
    "a good token that no rule is for",
    "/services",
    { verify: () => Promise.reject(new DeployerError("forbidden", "no rule for it")) },
    { code: "forbidden", cause: "no rule for it", verified: true },
  ],
  [
    "a token that is no good",
    "/services",
    { verify: () => Promise.reject(new DeployerError("unauthorized", "expired")) },
    { code: "unauthorized", cause: "expired", verified: false },
  ],
  [
    "an open page, under a token that is no good",
    "/ready",
    { verify: () => Promise.reject(new DeployerError("unauthorized", "expired")) },
    { code: "unauthorized", cause: "expired", verified: false },
  ],
];
for (const [what, path, changes, kept] of REFUSALS) {
  test(`of ${what} the cause is kept, and whether its claims were checked`, async () => {
    const { daemon, rejected, lines, text } = await ask(path, { headers: AUTHORIZED }, changes);
    daemon.refusals.write();
    expect(rejected).toMatchObject([kept]);
    expect(lines).toMatchObject([
      { level: "warn", message: `${String(kept["code"])} request`, fields: { cause: kept["cause"] } },
    ]);
    expect(text).not.toContain(String(kept["cause"]));
  });
}

test("what is answered otherwise is kept nowhere", async () => {
  for (const [path, headers] of [
    ["/nope", {}],
    ["/services", AUTHORIZED],
    ["/ready", {}],
    ["/deployments/none", AUTHORIZED],
  ] as const) {
    const { daemon, rejected } = await ask(path, { headers });
    daemon.refusals.write();
    expect([path, rejected]).toEqual([path, []]);
  }
});

test("a flood has a line for each of the first hundred, then one in a second; a good token is answered as ever", async () => {
  const { daemon, lines, rejected } = fakeDaemon();
  const app = createApp(daemon);
  const send = (headers: Record<string, string>) => app.request("/config", { headers }, NO_NETWORK);
  for (let n = 0; n < 500; n += 1) {
    const response = await send({ Authorization: "Bearer wrong" });
    expect([response.status, await response.text()]).toEqual([401, "unauthorized\n"]);
  }
  expect((await send(AUTHORIZED)).status).toBe(200);
  daemon.refusals.write();
  const refusals = lines.filter(({ message }) => message === "unauthorized request");
  const summaries = lines.filter(({ message }) => message === "more refused requests, counted only");
  const counted = summaries.reduce((sum, { fields }) => sum + Number(fields["requests"]), 0);
  expect(refusals.length + counted).toBe(500);
  expect(rejected).toHaveLength(refusals.length);
});

test("answers to a flood are held back, but where a body would stay in memory meanwhile", async () => {
  const { daemon } = fakeDaemon();
  const app = createApp(daemon);
  let held = 0;
  daemon.refusals.hold = async () => void (held += 1);
  const send = async (headers: Record<string, string>) => {
    await app.request("/deploy", { method: "POST", headers }, NO_NETWORK);
  };
  for (let n = 0; n < 100; n += 1) await send({});
  expect(held).toBe(0);
  await send({});
  await send({ "Content-Length": "4096" });
  expect(held).toBe(2);
  for (const body of [{ "Content-Length": "4097" }, { "Transfer-Encoding": "chunked" }]) await send(body);
  await app.request("/nope", {}, NO_NETWORK);
  expect(held).toBe(2);
});

test("a good token without a right is answered at once in the middle of a flood", async () => {
  const { daemon } = fakeDaemon({
    services: () => Promise.reject(new DeployerError("forbidden", "no rule")),
  });
  const app = createApp(daemon);
  let held = 0;
  daemon.refusals.hold = async () => void (held += 1);
  for (let n = 0; n < 101; n += 1) await app.request("/config", {}, NO_NETWORK);
  expect(held).toBe(1);
  expect((await app.request("/services", { headers: AUTHORIZED }, NO_NETWORK)).status).toBe(403);
  expect(held).toBe(1);
});
