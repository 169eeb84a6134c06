import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Edge, Frontage } from "../../src/core/edge.ts";
import type { Engine } from "../../src/core/engine.ts";
import { createCompose } from "../../src/docker/compose.ts";
import { createEngine } from "../../src/docker/engine.ts";
import { dockerHost } from "../../src/docker/host.ts";
import { createRegistry } from "../../src/docker/registry.ts";
import { createEdge } from "../../src/haproxy/edge.ts";
import { createProxy } from "../../src/haproxy/docker-proxy.ts";
import { systemClock } from "../../src/system/clock.ts";
import { run } from "../../src/system/run.ts";
import { fakeLog } from "../fakes/log.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { freePort } from "../support/free-port.ts";
import { publishHaproxy } from "../support/haproxy-image.ts";
import { publishImage } from "../support/images.ts";
import { BASE_ENV } from "../support/run.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const PORT = 8080;
const LONG = 30_000;
const PAUSE_MS = 5;

const cleanup = new AsyncDisposableStack();
let docker: PrivateDocker;
let engine: Engine;
let edge: Edge;
let port: number;
let images: { web: string; haproxy: string; newer: string };

beforeAll(async () => {
  const { registry } = stage();
  const repository = `edge-docker/${crypto.randomUUID()}`;
  const [web, haproxy, newer] = await Promise.all([
    publishImage(registry, { repository, tag: "web", version: "v1" }),
    publishHaproxy(registry, { repository, tag: "3.0", variant: "1" }),
    publishHaproxy(registry, { repository, tag: "3.0.1", variant: "2" }),
  ]);
  images = { web: web.reference, haproxy: haproxy.reference, newer: newer.reference };
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1 }));
  engine = createEngine({ host: dockerHost({ DOCKER_HOST: docker.host }), clock: systemClock });
  port = freePort();
  const stateDir = mkdtempSync(join(tmpdir(), "dstest-edge-"));
  cleanup.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  const folder = join(stateDir, "edge");
  mkdirSync(folder, { mode: 0o700 });
  const log = fakeLog();
  const env = { ...BASE_ENV, DOCKER_HOST: docker.host, HOME: "/nonexistent" };
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const proxy = createProxy({
    engine,
    compose: createCompose({ composeFile: "/nonexistent/compose.yml", stateDir, env, run, log }),
    registry: createRegistry({ engine, clock: systemClock, log }),
    clock: systemClock,
    log,
    folder,
    owner,
  });
  edge = createEdge({
    folder,
    proxy,
    clock: systemClock,
    log,
    daemon: { address: "127.0.0.1:1", speaksTls: false },
    owner,
    ipv6: false,
  });
});

afterAll(() => cleanup.disposeAsync());

test("a container takes over from another, and a newer proxy from the proxy, without a lost request; all is counted", async () => {
  const [one, two] = [await start("one"), await start("two")];
  await edge.apply(frontage(images.haproxy));
  await edge.direct("web", { serving: [{ container: one, port: PORT }], standby: [] });
  const measurement = await edge.measure(["web"]);
  const load = startLoad();
  await Bun.sleep(300);
  await edge.direct("web", {
    serving: [{ container: two, port: PORT }],
    standby: [{ container: one, port: PORT }],
  });
  await Bun.sleep(300);
  await edge.apply(frontage(images.newer));
  await Bun.sleep(300);
  const { sent, failed } = await load.stop();
  expect(failed).toEqual([]);
  expect((await measurement.stop()).get("web")).toMatchObject({ requests: sent, failed: 0 });
  expect((await edge.servers("web")).find(({ container }) => container === two)).toMatchObject({
    state: "serving",
    sessions: 0,
  });
});

test("after a restart of Docker the proxy and the containers find each other again, in any order", async () => {
  await docker.restart();
  await docker.docker("start", "two");
  await waitFor("the edge to serve again", LONG, async () => (await ask()) === "v1");
  expect(await edge.problem()).toBeUndefined();
});

test("at the end nothing is left of it", async () => {
  await edge.apply(undefined);
  expect(await engine.containers("shop-edge")).toEqual([]);
  expect(await engine.network("shop-edge")).toBeUndefined();
});

async function start(name: string): Promise<string> {
  return (await docker.docker("run", "--detach", "--name", name, images.web)).stdout.trim();
}

function frontage(image: string): Frontage {
  return {
    project: "shop",
    settings: {
      http: port,
      https: undefined,
      certs: undefined,
      challenges: undefined,
      image,
      webhook: undefined,
    },
    routes: new Map([["web", [{ host: undefined, path: "/" }]]]),
    resendAll: new Set(),
  };
}

function ask(): Promise<string> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    async (response) => `${response.ok ? "" : response.status}${(await response.text()).trim()}`,
    (error: unknown) => String(error),
  );
}

function startLoad() {
  const failed: string[] = [];
  const over = new AbortController();
  let sent = 0;
  const send = async (): Promise<void> => {
    while (!over.signal.aborted) {
      sent += 1;
      const answer = await ask();
      if (answer !== "v1") failed.push(answer);
      await Bun.sleep(PAUSE_MS);
    }
  };
  const all = Promise.all([send(), send(), send()]);
  return {
    async stop() {
      over.abort();
      await all;
      return { sent, failed };
    },
  };
}
