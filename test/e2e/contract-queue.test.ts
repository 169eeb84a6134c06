import { expect, test } from "bun:test";

import { fakeEngine } from "../../src/docker/fake-engine.ts";
import { startAlone } from "../contract/refused-start.ts";
import { stageProject } from "../support/stage.ts";

const MAY_WAIT = 200;
const ASYNC = { Prefer: "respond-async" };

test("a full queue answers 429 and when to come again, a stopping daemon 503", async () => {
  await using engine = fakeEngine((_, { pathname }) =>
    pathname.endsWith("/containers/json") ? Response.json([]) : new Promise<Response>(() => undefined),
  );
  await using project = stageProject({
    compose: "services:\n  web:\n    image: registry.example/web:v1\n    profiles: [manual]\n",
  });
  await using daemon = await startAlone({
    dockerHost: engine.host.text,
    composeFile: project.file,
    env: { REGISTRY_AUTH: "none" },
  });
  // The first one has its turn: Docker keeps it waiting.
  const statuses = [(await daemon.deploy({ service: "web" }, ASYNC)).status];
  for (let waiting = 0; waiting < MAY_WAIT; waiting++) {
    statuses.push((await daemon.deploy({ service: "web" }, ASYNC)).status);
  }
  expect(new Set(statuses)).toEqual(new Set([202]));
  const full = await daemon.deploy({ service: "web" }, ASYNC);
  expect(full.status).toBe(429);
  expect(full.text).toContain("deployments are waiting already");
  expect(Number(full.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(full.headers.has("Deployer-Deployment")).toBe(false);

  process.kill(daemon.pid, "SIGTERM");
  await daemon.waitForLog(({ message }) => message.startsWith("stopping"));
  const stopping = await daemon.deploy({ service: "web" });
  expect([stopping.status, stopping.text]).toEqual([503, "the daemon is shutting down\n"]);
  expect(Number(stopping.headers.get("Retry-After"))).toBeGreaterThan(0);
});
