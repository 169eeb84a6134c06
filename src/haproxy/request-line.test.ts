import { expect, test } from "bun:test";

import { parseRequestLine } from "./request-line.ts";

test("a request is read from the proxy's line", () => {
  expect(parseRequestLine("req web c1.3000 200 1 2 30 0 -- - -")).toEqual({
    backend: "web",
    status: 200,
    latencyMs: 33,
    isRetried: false,
    termination: "--",
    hold: undefined,
  });
});

test.each([
  ["req web c1.3000.standby 200 2 0 5 +1 -- held 900", { latencyMs: 907, isRetried: true, hold: "held" }],
  [
    "req web <NOSRV> 503 -1 -1 -1 0 LR refused 0",
    { latencyMs: undefined, hold: "refused", termination: "LR" },
  ],
  ["req web c1.3000 -1 0 1 -1 0 CD - -", { status: -1, latencyMs: undefined }],
  ["req web <NOSRV> 503 210 -210 -1 +2 SC - -", { latencyMs: undefined, isRetried: true }],
  ["req :edge <NOSRV> 404 -1 -1 -1 0 LR - -", { backend: ":edge" }],
])("%s", (line, expected) => {
  expect(parseRequestLine(line)).toMatchObject(expected);
});

test.each([
  "",
  "Proxy web stopped (cumulated conns: FE: 0, BE: 934).",
  "req web c1.3000 200 1 2",
  "req web c1.3000 200 1 2 30 0 -- -",
  "req web c1.3000 200 1 2 30 0 -- maybe -",
  "req web c1.3000 200 1 2 30 0 -- - - more",
  "req web c1.3000 2000 1 2 30 0 -- - -",
  " req web c1.3000 200 1 2 30 0 -- - -",
  "req web c1.3000 200 1 2 3x 0 -- - -",
])("%p is none", (line) => {
  expect(parseRequestLine(line)).toBeUndefined();
});
