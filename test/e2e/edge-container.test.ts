import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Engine } from "../../src/core/engine.ts";
import { createCompose } from "../../src/docker/compose.ts";
import { createEngine } from "../../src/docker/engine.ts";
import { dockerHost } from "../../src/docker/host.ts";
import { createRegistry } from "../../src/docker/registry.ts";
import { createCli } from "../../src/haproxy/cli.ts";
import { createProxy } from "../../src/haproxy/docker-proxy.ts";
import { CONFIG_FILE, type Proxy, type ProxySpec } from "../../src/haproxy/proxy.ts";
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

const PROJECT = "shop";
const OWNER = { uid: 4711, gid: 4712 };
const LONG = 20_000;
const PAUSE_MS = 4;
/** The program itself, and the worker that it becomes. */
const HAPROXY_UID = 99;

const cleanup = new AsyncDisposableStack();
let docker: PrivateDocker;
let engine: Engine;
let folder: string;
let images: { first: string; next: string; none: string };
let port: number;

beforeAll(async () => {
  const { registry } = stage();
  const repository = `edge-container/${crypto.randomUUID()}`;
  const [first, next, none] = await Promise.all([
    publishHaproxy(registry, { repository, tag: "3.0", variant: "1" }),
    publishHaproxy(registry, { repository, tag: "3.0.1", variant: "2" }),
    publishImage(registry, { repository, tag: "app", version: "none" }),
  ]);
  images = { first: first.reference, next: next.reference, none: none.reference };
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1 }));
  engine = createEngine({ host: dockerHost({ DOCKER_HOST: docker.host }), clock: systemClock });
});

afterAll(() => cleanup.disposeAsync());

beforeEach(async () => {
  folder ??= mkdtempSync(join(tmpdir(), "dstest-edge-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  port ??= freePort();
  writeFileSync(join(folder, CONFIG_FILE), config(port), { mode: 0o600 });
});

/** One of a daemon that has just started. */
function daemon(): Proxy {
  const log = fakeLog();
  // Where it was started must not decide which project the proxy is in.
  const env = { ...BASE_ENV, DOCKER_HOST: docker.host, HOME: "/nonexistent", COMPOSE_PROJECT_NAME: "other" };
  mkdirSync(join(folder, "edge"), { recursive: true });
  return createProxy({
    engine,
    compose: createCompose({ composeFile: "/nonexistent/compose.yml", stateDir: folder, env, run, log }),
    registry: createRegistry({ engine, clock: systemClock, log }),
    clock: systemClock,
    log,
    folder: join(folder, "edge"),
    owner: OWNER,
  });
}

function spec(fields: Partial<ProxySpec> = {}): ProxySpec {
  return {
    project: PROJECT,
    image: images.first,
    folder,
    challenges: undefined,
    ports: [{ key: "http", port }],
    ...fields,
  };
}

test("HAProxy's own complaint about a configuration is told, before there is a proxy and beside one", async () => {
  writeFileSync(join(folder, "bad.cfg"), config(port).replace("bind", "bnid"), { mode: 0o600 });
  const proxy = daemon();
  const expectBoth = async () => {
    expect(await proxy.validate(spec(), CONFIG_FILE)).toBeUndefined();
    expect(await proxy.validate(spec(), "bad.cfg")).toMatch(
      /^parsing \[\/edge\/bad\.cfg:\d+\] : unknown keyword 'bnid'/,
    );
  };
  await expectBoth();
  await proxy.ensure(spec());
  await expectBoth();
  expect(await names()).toEqual(["shop-edge-edge-1"]);
});

test("the proxy has few rights, and its sockets are for the daemon's user alone", async () => {
  const { runDir } = await daemon().ensure(spec());
  expect(await ask()).toBe(200);
  for (const socket of ["admin.sock", "master.sock"]) {
    const { mode, uid, gid } = statSync(join(runDir, socket));
    expect([(mode & 0o777).toString(8), uid, gid]).toEqual(["600", OWNER.uid, OWNER.gid]);
  }
  expect((statSync(runDir).mode & 0o777).toString(8)).toBe("700");
  const { stdout } = await docker.docker("top", await only(), "-o", "pid,uid,args");
  const users = stdout
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => Number(line.trim().split(/\s+/)[1]));
  expect(users.toSorted((a, b) => a - b)).toEqual([0, HAPROXY_UID]);
  const { exitCode } = await engine.exec(await only(), ["touch", "/edge/x", "/x"], LONG);
  expect(exitCode).not.toBe(0);
  expect(await createCli(runDir).reload()).toBeUndefined();
  expect(await ask()).toBe(200);
});

test("another image takes over under load without a lost request, and the old one goes, with its image", async () => {
  const proxy = daemon();
  const before = await proxy.ensure(spec());
  const load = startLoad();
  await Bun.sleep(500);
  const after = await proxy.ensure(spec({ image: images.next }));
  expect(after.runDir).not.toBe(before.runDir);
  expect(after.earlier).toEqual([before.runDir]);
  await waitFor("the old one to go", LONG, async () => (await names()).length === 1);
  await Bun.sleep(300);
  const { answered, failed } = await load.stop();
  expect(failed).toEqual([]);
  expect(answered).toBeGreaterThan(100);
  expect(readdirSync(join(folder, "edge", "run"))).toHaveLength(1);
  expect(await variant()).toBe("2");
  await waitFor("its image to go", LONG, async () => (await imagesHere()) === 1);
});

test("a tag that has moved replaces nothing; what does not come up costs nothing", async () => {
  const proxy = daemon();
  const before = await proxy.ensure(spec({ image: images.next }));
  const id = await only();
  await publishHaproxy(stage().registry, {
    repository: images.next.replace(/^[^/]+\//, "").replace(/:[^:]+$/, ""),
    tag: "3.0.1",
    variant: "3",
  });
  expect(await daemon().ensure(spec({ image: images.next }))).toEqual({ ...before, earlier: [] });
  expect(await only()).toBe(id);

  await expect(proxy.ensure(spec({ image: images.none }))).rejects.toMatchObject({ code: "edge" });
  await expect(proxy.ensure(spec({ image: `${images.none}-missing` }))).rejects.toThrow(
    `x-deployer.edge.image: ${images.none}-missing cannot be used for the proxy`,
  );
  expect(await only()).toBe(id);
  expect(await ask()).toBe(200);
});

test("one that was stopped by hand is started, and Docker brings it back by itself", async () => {
  const proxy = daemon();
  await proxy.ensure(spec({ image: images.next }));
  await docker.docker("stop", await only());
  await proxy.ensure(spec({ image: images.next }));
  expect(await ask()).toBe(200);
  await docker.restart();
  await waitFor("the proxy to be back", LONG, async () => (await ask()) === 200);
});

test("of two that a killed daemon left, one goes at the next look, without a lost request", async () => {
  await daemon().ensure(spec({ image: images.next }));
  const old = await only();
  await daemon().ensure(spec({ image: images.first }));
  // As if the old one had never been told to stop.
  await docker.tryDocker("start", old);
  const load = startLoad();
  await daemon().ensure(spec({ image: images.first }));
  await waitFor("one to be left", LONG, async () => (await names()).length === 1);
  await Bun.sleep(200);
  expect((await load.stop()).failed).toEqual([]);
  expect(await variant()).toBe("1");
});

test("a port that something else has is named, with who has it and what to change; nothing is left over", async () => {
  const proxy = daemon();
  await proxy.remove(PROJECT);
  expect(await names()).toEqual([]);
  expect(await engine.network(`${PROJECT}-edge`)).toBeUndefined();
  await using _ = {
    [Symbol.asyncDispose]: () => docker.docker("rm", "--force", "taker").then(() => undefined),
  };
  const labels = ["com.docker.compose.project=shop", "com.docker.compose.service=web"];
  const options = ["--detach", "--name", "taker", "--publish", `127.0.0.1:${port}:8080`];
  await docker.docker("run", ...options, ...labels.flatMap((label) => ["--label", label]), images.none);
  await expect(proxy.ensure(spec())).rejects.toMatchObject({
    code: "edge",
    message: expect.stringContaining(
      `x-deployer.edge.http: port ${port} of this host is taken by service "web" of project "shop"`,
    ),
  });
  expect(await names()).toEqual([]);
});

function config(port: number): string {
  return `global
  uid ${HAPROXY_UID}
  gid ${HAPROXY_UID}
  maxconn 500
  stats socket "\${RUN_DIR}/admin.sock" mode 600 uid ${OWNER.uid} gid ${OWNER.gid} level admin expose-fd listeners
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout http-keep-alive 500
  timeout server 30s
  option idle-close-on-response
frontend f
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string "ok"
`;
}

/** Those of HAProxy that were pulled from the registry of this file. */
async function imagesHere(): Promise<number> {
  const all = await engine.images();
  return all.filter(({ digests }) => digests.some((name) => name.includes("edge-container/"))).length;
}

async function names(): Promise<string[]> {
  const containers = await engine.containers(`${PROJECT}-edge`);
  const checks = await engine.containers(`${PROJECT}-edge-check`);
  return [...containers, ...checks].map(({ name }) => name);
}

async function only(): Promise<string> {
  const [container, ...more] = await engine.containers(`${PROJECT}-edge`);
  expect(more).toEqual([]);
  return container?.id ?? "";
}

async function variant(): Promise<string> {
  return (await engine.exec(await only(), ["cat", "/usr/local/etc/variant"], LONG)).output;
}

function ask(): Promise<number> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    ({ status }) => status,
    () => 0,
  );
}

/** New and reused connections, one after the other each. */
function startLoad() {
  const failed: string[] = [];
  let answered = 0;
  const over = new AbortController();
  const send = async (headers: Record<string, string>): Promise<void> => {
    while (!over.signal.aborted) {
      try {
        const { status } = await fetch(`http://127.0.0.1:${port}/`, { headers });
        if (status === 200) answered += 1;
        else failed.push(String(status));
      } catch (error) {
        failed.push(String(error));
      }
      await Bun.sleep(PAUSE_MS);
    }
  };
  const all = Promise.all([send({}), send({}), send({ connection: "close" }), send({ connection: "close" })]);
  return {
    async stop() {
      over.abort();
      await all;
      return { answered, failed };
    },
  };
}
