import { expect, test } from "bun:test";

import { fakeEngine } from "../../src/docker/fake-engine.ts";
import { startAlone } from "../contract/refused-start.ts";
import { stageProject } from "../support/stage.ts";

const MAY_WAIT = 200;
const ASYNC = { Prefer: "respond-async" };

test("a full queue answers 429 and when to come again, and still lets a newer deployment take a place", async () => {
  await using project = stageProject({ compose: composeOf(MAY_WAIT + 1) });
  // No Docker: the recovery is not over, so all of them wait.
  await using daemon = await startAlone({ composeFile: project.file, env: { REGISTRY_AUTH: "none" } });
  const statuses = [];
  for (let index = 0; index < MAY_WAIT; index++)
    statuses.push((await daemon.deploy({ service: `s${index}` }, ASYNC)).status);
  expect(new Set(statuses)).toEqual(new Set([202]));
  const full = await daemon.deploy({ service: `s${MAY_WAIT}` }, ASYNC);
  expect(full.status).toBe(429);
  expect(full.text).toContain("deployments are waiting already");
  expect(Number(full.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(full.headers.has("Deployer-Deployment")).toBe(false);
  expect((await daemon.deploy({ service: "s0" }, ASYNC)).status).toBe(202);
});

test("a stopping daemon answers 503 and when to come again", async () => {
  await using engine = fakeEngine((_, { pathname }) =>
    pathname.endsWith("/containers/json") ? Response.json([]) : new Promise<Response>(() => undefined),
  );
  await using project = stageProject({ compose: composeOf(1) });
  await using daemon = await startAlone({
    dockerHost: engine.host.text,
    composeFile: project.file,
    env: { REGISTRY_AUTH: "none" },
  });
  // It has its turn and Docker keeps it waiting, so the stop takes a while.
  expect((await daemon.deploy({ service: "s0" }, ASYNC)).status).toBe(202);
  await daemon.waitForLog(({ message }) => message === "deployment started");

  process.kill(daemon.pid, "SIGTERM");
  await daemon.waitForLog(({ message }) => message.startsWith("stopping"));
  const stopping = await daemon.deploy({ service: "s0" });
  expect([stopping.status, stopping.text]).toEqual([503, "the daemon is shutting down\n"]);
  expect(Number(stopping.headers.get("Retry-After"))).toBeGreaterThan(0);
});

function composeOf(services: number): string {
  const lines = Array.from(
    { length: services },
    (_, index) => `  s${index}:\n    image: registry.example/web:v1\n    profiles: [manual]\n`,
  );
  return `services:\n${lines.join("")}`;
}
