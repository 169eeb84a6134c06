import { expect, test } from "bun:test";

import {
  expectDeployed,
  expectDiscreet,
  recordDeploy,
  registryMessages,
  startWeb,
} from "../support/deploy-record.ts";
import { expectVersion } from "../support/observe.ts";

test("in debug mode /logout makes the next pull refused, then logged in, then done, as the log shows", async () => {
  await using scene = await startWeb({ daemon: { env: { DEBUG_MODE: "true" } } });
  const { aws, project, daemon } = scene;
  const from = daemon.log().length;
  const reply = await daemon.request("POST", "/logout");
  expect([reply.status, reply.text]).toEqual([200, "docker logout successful\n"]);
  await daemon.waitForLog((line) => line.message === "registry credential dropped");
  const ready = await daemon.request("GET", "/ready");
  expect(JSON.parse(ready.text)).toMatchObject({ registry_credential: "failing" });

  await aws.publish("web", "v2");
  const record = await recordDeploy(scene, `${aws.repository("web")}:v2`);
  expectDeployed(record);
  await expectVersion(project, "web", "v2");
  expect(registryMessages(daemon.log().slice(from))).toEqual([
    "registry credential dropped",
    "pull refused by the registry; logging in again",
    "registry login successful",
    "pull accepted after a new registry login",
    "pull started",
    "pull finished",
  ]);
  const refusal = record.log.find(({ message }) => message.startsWith("pull refused"));
  expect(refusal?.fields?.["reason"]).toEndWith("no basic auth credentials");
  expect([record.attempts, record.logins]).toEqual([3, 1]);

  await aws.publish("web", "v3");
  const next = await recordDeploy(scene, `${aws.repository("web")}:v3`);
  expectDeployed(next);
  expect([next.attempts, next.logins]).toEqual([2, 0]);
  expectDiscreet(daemon, aws);
});

test("outside debug mode /logout is refused with and without a token, and forgets nothing", async () => {
  await using scene = await startWeb();
  const { aws, daemon } = scene;
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  for (const init of [{}, { headers }]) {
    const reply = await daemon.request("POST", "/logout", init);
    expect([reply.status, reply.text]).toEqual([401, "unauthorized\n"]);
  }
  const get = await daemon.request("GET", "/logout");
  expect([get.status, get.text, get.headers.get("allow")]).toEqual([405, "method not allowed\n", "POST"]);

  await aws.publish("web", "v2");
  const record = await recordDeploy(scene, `${aws.repository("web")}:v2`);
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  expect(registryMessages(record.log)).toEqual(["pull started", "pull finished"]);
});
