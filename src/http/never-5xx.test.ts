import { expect, test } from "bun:test";

import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  oneof,
  option,
  record,
  string,
  tuple,
  uint8Array,
  webPath,
} from "fast-check";

import { AUTHORIZED, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get", "X"];
const PATHS = [
  "/health",
  "/ready",
  "/version",
  "/config",
  "/deploy",
  "/rollback",
  "/logout",
  "/deployments/d1",
  "/deployments/%ff",
  "/deployments",
  "/deployments/d1/events",
  "/deployments/%ff/events",
  "/services",
  "/%",
];
const HEADER_NAMES = [
  "Accept",
  "Last-Event-ID",
  "Authorization",
  "Content-Length",
  "Content-Type",
  "Prefer",
  "Host",
  "X-Forwarded-For",
  "Range",
];
const HEADER_VALUES = [
  "application/json",
  "text/event-stream",
  "wait=0",
  "respond-async",
  "Bearer a.b.c",
  "99999999",
  "-1",
  "",
  ',;="',
];
const BODIES = [
  "",
  "{",
  "{}",
  "null",
  "e30=",
  '{"service":"web"}',
  '{"services":["web","api"],"images":{"api":"api:v2"}}',
  '{"service":"web","to":"d1"}',
  '{"service":"--help"}',
  btoa('{"service":"\\u0000"}'),
];

const headerText = oneof(
  constantFrom(...HEADER_VALUES),
  string({ maxLength: 100 }).map((text) => text.replace(/[^\t\x20-\x7e\xa0-\xff]/g, "")),
);
const request = record({
  method: constantFrom(...METHODS),
  path: oneof(
    constantFrom(...PATHS),
    webPath(),
    string({ maxLength: 40 }).map((text) => `/${text}`),
  ),
  headers: array(tuple(constantFrom(...HEADER_NAMES), headerText), { maxLength: 5 }),
  isAuthorized: constantFrom(true, false),
  body: oneof(
    constantFrom(...BODIES),
    uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes)),
    string({ maxLength: 200 }),
    string({ maxLength: 100 }).map((service) => JSON.stringify({ service })),
    string({ maxLength: 100 }).map((text) => btoa(encodeURIComponent(text))),
  ),
  debugMode: constantFrom(true, false),
  query: option(string({ maxLength: 20 }), { nil: "" }),
});

test("no request whatever is a fault of ours", async () => {
  await assert(
    asyncProperty(request, async ({ method, path, headers, isAuthorized, body, debugMode, query }) => {
      const { daemon, lines } = fakeDaemon({ debugMode, isStopping: () => true });
      const sent = new Headers(isAuthorized ? AUTHORIZED : {});
      for (const [name, value] of headers) sent.append(name, value);
      const hasBody = !["GET", "HEAD"].includes(method.toUpperCase());
      const { href } = new URL(`http://localhost${path}?${query}`);
      const given = new Request(href, { method, headers: sent, ...(hasBody ? { body } : {}) });
      const response = await createApp(daemon).request(given, undefined, NO_NETWORK);
      const text = await response.text();
      expect(response.status).toBeLessThan(500);
      expect(response.headers.get("X-Request-Id")).toBe("r1");
      expect(text === "" || text.endsWith("\n")).toBe(true);
      expect(lines.some((line) => line.level === "error")).toBe(false);
    }),
    { numRuns: 1000 },
  );
});
