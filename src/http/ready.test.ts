import { expect, test } from "bun:test";

import { AUTHORIZED, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const HEALTHY = new Map([
  ["docker", undefined],
  ["store", undefined],
]);
const SICK = new Map([
  ["docker", "cannot reach /var/run/docker.sock"],
  ["store", undefined],
]);
const SICK_JSON = { ready: false, failing: ["docker"], docker: "failing", store: "ok" };

async function ready(
  readiness: ReadonlyMap<string, string | undefined>,
  headers: Record<string, string> = {},
) {
  const { daemon, lines } = fakeDaemon({ readiness: async () => readiness });
  const response = await createApp(daemon).request("/ready", { headers }, NO_NETWORK);
  return { status: response.status, json: await response.json(), lines };
}

test("all parts ok is 200", async () => {
  expect(await ready(HEALTHY)).toMatchObject({
    status: 200,
    json: { ready: true, failing: [], docker: "ok", store: "ok" },
  });
});

test("a failing part is 503 and named, without details", async () => {
  const { status, json } = await ready(SICK);
  expect([status, json]).toEqual([503, SICK_JSON]);
});

test("with a token the details say what is wrong", async () => {
  const { status, json } = await ready(SICK, AUTHORIZED);
  expect([status, json]).toEqual([
    503,
    { ...SICK_JSON, details: { docker: "cannot reach /var/run/docker.sock" } },
  ]);
});

test("a token that is not accepted counts as none, and leaves its cause in the log", async () => {
  const { status, json, lines } = await ready(SICK, { Authorization: "Bearer wrong" });
  expect([status, json]).toEqual([503, SICK_JSON]);
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: "unauthorized request",
      fields: { path: "/ready", status: 503, cause: "token signature is invalid" },
    },
  ]);
});
