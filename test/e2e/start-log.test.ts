import { expect, test } from "bun:test";

import { startAlone } from "../contract/refused-start.ts";

test("at its start it says version, address and mode, and which keys it trusts", async () => {
  await using daemon = await startAlone();
  const started = await daemon.waitForLog(({ message }) => message === "deployer-service started");
  expect(started.fields).toMatchObject({ version: "v1.2.3", pid: daemon.pid });
  expect(String(started.fields?.["address"])).toEndWith(`:${daemon.port}`);
  await daemon.waitForLog(({ message }) => message === "Running in PRODUCTION mode");
  const keys = await daemon.waitForLog(({ message }) => message === "verification keys loaded");
  expect(keys.fields).toMatchObject({ keys: [{ algorithm: "RS256" }] });
});

test.each([
  ["", "America/Chicago"],
  ["UTC", "UTC"],
  ["Asia/Kolkata", "Asia/Kolkata"],
])("LOG_TIMEZONE %j stamps lines in the time of %s", async (LOG_TIMEZONE, timeZone) => {
  const before = Date.now();
  await using daemon = await startAlone({ env: { LOG_TIMEZONE } });
  const { timestamp } = await daemon.waitForLog(({ level }) => level === "info");
  expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:[+-]\d\d:\d\d|Z)$/);
  const time = Date.parse(timestamp);
  expect(time).toBeGreaterThanOrEqual(before);
  const wall = new Date(time).toLocaleString("sv-SE", { timeZone }).replace(" ", "T");
  expect(timestamp).toStartWith(wall);
});

test("every line is one JSON object of the original's shape, and nothing else is printed", async () => {
  await using daemon = await startAlone();
  await daemon.request("GET", "/nope\u2028?secret=1");
  await daemon.request("POST", "/deploy", { headers: { Authorization: "Bearer \u00ff\u0085" } });
  await daemon.stop();
  expect(daemon.noise()).toBe("");
  for (const line of daemon.log()) {
    expect(Object.keys(line)).toEqual(["fields", "level", "timestamp", "message"]);
    expect(JSON.stringify(line)).not.toContain("secret");
  }
});

test("without Docker and without a compose file it answers, and /ready names them", async () => {
  await using daemon = await startAlone();
  const ready = await daemon.request("GET", "/ready");
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.text)).toMatchObject({ docker: "failing", compose_file: "failing", store: "ok" });
  expect(ready.text).not.toContain("/nonexistent");
});
