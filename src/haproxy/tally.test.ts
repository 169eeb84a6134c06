import { expect, test } from "bun:test";

import { createTally } from "./tally.ts";

function trafficOf(lines: readonly string[]) {
  const tally = createTally(["web"]);
  for (const line of lines) tally.add(line);
  return tally.traffic().get("web");
}

test("requests of a service are counted, with how long they took", () => {
  const lines = Array.from({ length: 100 }, (_, n) => `req web c1.80 200 0 0 ${n < 98 ? 5 : 400} 0 -- - -`);
  const traffic = trafficOf(lines);
  expect(traffic).toMatchObject({ requests: 100, failed: 0, retried: 0, held: 0, refused: 0 });
  expect(traffic?.latency).toMatchObject({ p50: 5, p90: 5, max: 400 });
  expect(Math.abs((traffic?.latency?.p99 ?? 0) - 400)).toBeLessThan(20);
});

test("those of other services, and HAProxy's own lines, are not", () => {
  const tally = createTally(["web", "api"]);
  for (const line of [
    "req shop c1.80 200 0 0 5 0 -- - -",
    "req :edge <NOSRV> 404 -1 -1 -1 0 LR - -",
    "Server web/c1.80 is UP, reason: Layer4 check passed.",
    "req api c2.80 200 0 0 7 0 -- - -",
  ])
    tally.add(line);
  expect([...tally.traffic()].map(([service, { requests }]) => [service, requests])).toEqual([
    ["web", 0],
    ["api", 1],
  ]);
  expect(tally.traffic().get("web")?.latency).toBeUndefined();
});

test.each([
  ["--", 500, 0, "the service's own error is its answer"],
  ["CD", 200, 0, "the visitor went away"],
  ["cD", 200, 0, "the visitor no longer reads"],
  ["CH", -1, 0, "the visitor did not wait"],
  ["SC", 503, 1, "no container could be reached"],
  ["sC", 503, 1, "no container could be reached in time"],
  ["sQ", 503, 1, "it had to wait too long for one"],
  ["SH", 502, 1, "the container went away before its answer"],
  ["sH", 504, 1, "the answer did not come in time"],
  ["SD", 200, 1, "the answer was cut"],
  ["KD", 200, 1, "the proxy was told to cut it"],
  ["PH", 502, 1, "the answer was none"],
  ["LR", 503, 1, "the proxy answered in its place"],
  ["SD", 101, 0, "a WebSocket had had its answer"],
])("%s with %d: %d failed, for %s", (termination, status, failed) => {
  expect(trafficOf([`req web c1.80 ${status} 0 0 -1 0 ${termination} - -`])?.failed).toBe(failed);
});

test("a WebSocket is a request, without a time until its answer", () => {
  expect(trafficOf(["req web c1.80 101 0 0 5 0 -- - -"])).toMatchObject({ requests: 1, latency: undefined });
});

test("what was held, refused or sent again is told", () => {
  expect(
    trafficOf([
      "req web c1.80 200 0 0 5 0 -- held 1500",
      "req web <NOSRV> 503 -1 -1 -1 0 LR refused 0",
      "req web c1.80 200 0 0 5 +1 -- - -",
      "req web c1.80 200 0 0 5 2 -- - -",
    ]),
  ).toMatchObject({ requests: 4, failed: 1, retried: 2, held: 1, refused: 1 });
});
