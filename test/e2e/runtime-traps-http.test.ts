import { afterAll, beforeAll, expect, test } from "bun:test";

import { startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { ask, connect, exchange, parseReply } from "../support/raw-http.ts";

/** What the runtime makes of requests that no browser sends; no parser of ours sees them first. */
const REPLY_DEADLINE = 20_000;
const BODY = '{"service":"web"}';

let daemon: Daemon;
let token: string;

beforeAll(async () => {
  daemon = await startAlone({ env: { DEBUG_MODE: "true", NODE_ENV: "development", BUN_ENV: "development" } });
  token = await daemon.token();
});

afterAll(() => daemon[Symbol.asyncDispose]());

const HOSTS: [what: string, header: string][] = [
  ["an empty Host", "Host: \r\n"],
  ["a Host that is no text", "Host: \xff\r\n"],
  ["a Host with a path", "Host: a/b\r\n"],
  ["a Host with a user", "Host: user@evil\r\n"],
  ["a Host with spaces", "Host: a b\r\n"],
  ["no Host", ""],
];
const TARGETS = ["/health", "/xx/health", "/deploy/health", "/?a", "/", "//health", "/config", "/xx/logout"];

for (const [what, header] of HOSTS) {
  test(`with ${what} no path is taken for another`, async () => {
    for (const target of TARGETS) {
      const reply = await status(`GET ${target} HTTP/1.1\r\n${header}Connection: close\r\n\r\n`);
      expect([target, reply]).toEqual([target, 400]);
    }
    const logout = await status(`POST /xx/logout HTTP/1.1\r\n${header}Connection: close\r\n\r\n`);
    expect(logout).toBe(400);
  });
}

const PATHS: [target: string, status: number][] = [
  ["/health", 200],
  ["/health?x=/deploy", 200],
  ["//health", 404],
  ["/health/", 404],
  ["/health//", 404],
  ["/xx/health", 404],
  ["/HEALTH", 404],
  ["/health%00", 404],
  ["/health;x", 404],
  ["/%2fhealth", 404],
  ["/%", 404],
  ["/%ff", 404],
  ["/config/", 404],
  ["/deployments/", 404],
  ["/deployments/a/b", 404],
  ["/\xff", 404],
];

test.each(PATHS)("GET %j is answered with %i", async (target, expected) => {
  const got = await status(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  expect(got).toBe(expected);
});

test("HTTP/1.0 is served with a Host and refused without one, as a load balancer's old check may ask", async () => {
  expect(await status("GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")).toBe(200);
  expect(await status("GET /health HTTP/1.0\r\n\r\n")).toBe(400);
  expect(await status("GET /xx/health HTTP/1.0\r\n\r\n")).toBe(400);
});

test("an absolute target is served by its path", async () => {
  expect(
    await status("GET http://other/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
  ).toBe(200);
  expect(await status("GET http://other/xx/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toBe(
    404,
  );
});

const SMUGGLING: [what: string, headers: string, body: string][] = [
  ["two different lengths", "Content-Length: 5\r\nContent-Length: 6\r\n", "abcde"],
  ["a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"],
  ["chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"],
  ["an encoding that is not chunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"],
  ["a length in hexadecimal", "Content-Length: 0x5\r\n", "abcde"],
  ["a negative length", "Content-Length: -1\r\n", ""],
  ["a length past 2^64", "Content-Length: 18446744073709551621\r\n", "abcde"],
  ["a space before the colon", "Content-Length : 5\r\n", "abcde"],
  ["a folded header", "X: a\r\n b\r\n", ""],
  ["a bare line feed", "X: a\nY: b\r\n", ""],
  ["a NUL in a header", "X: a\0b\r\n", ""],
  ["a chunk size that is no number", "Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"],
];

test.each(SMUGGLING)(
  "%s: refused and closed, what follows is not taken for a request",
  async (_, headers, body) => {
    const sent = `POST /logout HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${body}GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const received = await exchange(daemon.port, sent, REPLY_DEADLINE);
    expect(received).not.toContain("v1.2.3");
    for (const [, code] of received.matchAll(/HTTP\/1\.1 (\d{3})/g)) expect(Number(code)).toBeLessThan(500);
  },
);

const TOO_LARGE: [what: string, request: string][] = [
  ["a header of 1 MB", `GET /health HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1024 ** 2)}\r\n\r\n`],
  ["10,000 headers", `GET /health HTTP/1.1\r\nHost: a\r\n${"X: x\r\n".repeat(10_000)}\r\n`],
  ["a path of 100 KB", `GET /${"x".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
];

test.each(TOO_LARGE)("%s is refused, not a fault", async (_, request) => {
  const received = await exchange(daemon.port, request, REPLY_DEADLINE);
  if (received !== "") expect([400, 414, 431]).toContain(parseReply(received).status);
});

const ROUTES: [target: string, get: number][] = [
  ["/health", 200],
  ["/ready", 503],
  ["/version", 200],
  ["/config", 200],
  ["/deploy", 405],
  ["/logout", 405],
  ["/deployments/none", 401],
  ["/nope", 404],
];

test.each(ROUTES)("HEAD %s has the status of GET, and no body", async (target, expected) => {
  const get = await ask(daemon.port, { method: "GET", target });
  const head = await ask(daemon.port, { method: "HEAD", target });
  expect([get.status, head.status, head.text]).toEqual([expected, expected, ""]);
  expect(head.headers.get("Content-Type")).toBe(get.headers.get("Content-Type"));
});

test("methods nobody has are no fault, and the daemon goes on", async () => {
  for (const method of ["OPTIONS", "TRACE", "PATCH", "DELETE", "PROPFIND", "get"]) {
    const received = await exchange(
      daemon.port,
      `${method} /deploy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      REPLY_DEADLINE,
    );
    if (received !== "") expect([method, parseReply(received).status]).toEqual([method, 405]);
  }
  expect((await daemon.request("GET", "/health")).status).toBe(200);
});

test("no error is told on a page of the runtime's", async () => {
  const replies = await Promise.all([
    exchange(daemon.port, "GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n"),
    exchange(daemon.port, "GET /% HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    exchange(
      daemon.port,
      `POST /deploy HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
    ),
  ]);
  for (const reply of replies) {
    expect(reply).not.toMatch(/<html|<!doctype|Welcome to Bun|\.ts:\d|\$bunfs/i);
    expect(reply.length).toBeLessThan(1000);
  }
});

test("pipelined requests are answered one by one, in order", async () => {
  await using connection = await connect(daemon.port);
  const get = (target: string, more = "") => `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  connection.send(get("/health") + get("/nope") + get("/version", "Connection: close\r\n"));
  const received = await connection.untilClosed(REPLY_DEADLINE);
  expect([...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, code]) => code)).toEqual([
    "200",
    "404",
    "200",
  ]);
});

async function status(request: string): Promise<number> {
  return parseReply(await exchange(daemon.port, request, REPLY_DEADLINE)).status;
}
