import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import type { ServiceState } from "../core/services.ts";
import { AUTHORIZED, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const NONE: ServiceState = {
  name: "web",
  state: "none",
  health: undefined,
  replicas: { wanted: 1, running: 0 },
  wanted: { image: "web:v1", digest: undefined },
  running: undefined,
  since: undefined,
  exitCode: undefined,
  deployment: undefined,
  drift: [{ kind: "no_container", text: "it should run and has no container" }],
  versions: [],
  edge: undefined,
};

async function get(changes: Parameters<typeof fakeDaemon>[0], headers: Record<string, string>) {
  return await createApp(fakeDaemon(changes).daemon).request("/services", { headers }, NO_NETWORK);
}

test("services are JSON, what is not known null", async () => {
  const up: ServiceState = {
    ...NONE,
    name: "api",
    state: "running",
    health: "healthy",
    replicas: { wanted: 1, running: 1 },
    wanted: { image: "api:v2@sha256:2", digest: "sha256:2" },
    running: { image: "api:v2@sha256:2", digest: "sha256:2", imageId: "sha256:3" },
    since: "2026-11-23T12:00:00Z",
    deployment: "d1",
    drift: [],
    versions: [
      {
        deployment: "d1",
        imageText: "api:v2@sha256:2",
        digest: "sha256:2",
        committedAt: Date.UTC(2026, 10, 23, 12),
        image: "present",
        isCurrent: true,
      },
    ],
    edge: {
      routes: [{ host: undefined, path: "/" }],
      servers: [{ container: "abc", address: "10.0.0.2", port: 3000, state: "serving", sessions: 2 }],
    },
  };
  const reply = await get({ services: async () => [NONE, up] }, AUTHORIZED);
  expect(await reply.json()).toEqual({
    services: [
      {
        service: "web",
        state: "none",
        health: null,
        replicas: { wanted: 1, running: 0 },
        wanted: { image: "web:v1", digest: null },
        running: null,
        since: null,
        exit_code: null,
        deployment: null,
        drift: [{ kind: "no_container", text: "it should run and has no container" }],
        versions: [],
        edge: null,
      },
      {
        service: "api",
        state: "running",
        health: "healthy",
        replicas: { wanted: 1, running: 1 },
        wanted: { image: "api:v2@sha256:2", digest: "sha256:2" },
        running: { image: "api:v2@sha256:2", digest: "sha256:2", image_id: "sha256:3" },
        since: "2026-11-23T12:00:00Z",
        exit_code: null,
        deployment: "d1",
        drift: [],
        versions: [
          {
            deployment: "d1",
            image: "api:v2@sha256:2",
            digest: "sha256:2",
            committed_at: "2026-11-23T12:00:00.000Z",
            image_state: "present",
            current: true,
          },
        ],
        edge: {
          routes: [{ host: null, path: "/" }],
          servers: [{ container: "abc", address: "10.0.0.2:3000", state: "serving", sessions: 2 }],
        },
      },
    ],
  });
});

test("they need a token, and Docker", async () => {
  expect((await get({ services: async () => [NONE] }, {})).status).toBe(401);
  const services = () => Promise.reject(new DeployerError("docker", "Docker cannot be reached"));
  const reply = await get({ services }, AUTHORIZED);
  expect([reply.status, await reply.text()]).toEqual([500, "Docker cannot be reached\n"]);
});
