import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeEngine } from "../../test/fakes/engine.ts";
import { FakeHost } from "../../test/fakes/host.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { DeployerError } from "../core/errors.ts";
import { createProxyContainer, type ProxyContainer } from "./container.ts";
import type { ProxySpec } from "./proxy.ts";
import { createRunFolders } from "./run-folders.ts";

const IMAGE = `haproxy:3.0@${digestOf("3.0")}`;

let folder: string;
let host: FakeHost;
let proxy: ProxyContainer;
/** Generations that never answer. */
let dumb: Set<number>;
let portsLookedAt: number;
let gone: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edge-container-"));
  host = new FakeHost([]);
  for (const tag of ["3.0", "3.2"]) host.images.local.set(`haproxy@${digestOf(tag)}`, tag);
  dumb = new Set();
  portsLookedAt = 0;
  gone = 0;
  proxy = again();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As after a restart of the program. */
function again(): ProxyContainer {
  return createProxyContainer({
    engine: fakeEngine(host),
    compose: { createOwn },
    registry: { resolve: async ({ tag = "" }) => digestOf(tag) },
    images: { bring: async () => undefined },
    onGone: () => void (gone += 1),
    clock: host.clock,
    log: fakeLog(),
    folder,
    runFolders: createRunFolders(join(folder, "run")),
    owner: { uid: 0, gid: 0 },
    answers: async (runDir) => answering().some((number) => runDir === join(folder, "run", String(number))),
    assertFree: async () => {
      portsLookedAt += 1;
    },
  });
}

/** As Compose does it: so many of them that there are `total`. */
async function createOwn(own: { file: string }, name: string, total: number): Promise<void> {
  const file = JSON.parse(readFileSync(own.file, "utf8")) as {
    services: Record<string, { image: string; labels: Record<string, string>; command: string[] }>;
  };
  const { image, labels = {}, command = [] } = file.services[name] ?? { image: "" };
  await host.act(`create ${command.includes("-x") ? `after ${command[3]}` : "the first"}`, () => {
    while (host.all(name).length < total) host.create(service(name, { image }), { labels });
  });
}

function answering(): number[] {
  return running().filter((number) => !dumb.has(number));
}

function running(): number[] {
  return all(({ state }) => state === "running");
}

function all(is: (container: { state: string }) => boolean = () => true): number[] {
  return host
    .all()
    .filter(is)
    .map(({ labels }) => Number(labels["deployer-service.edge.generation"]));
}

function spec(fields: Partial<ProxySpec> = {}): ProxySpec {
  return { project: "shop", image: "haproxy:3.0", folder, challenges: undefined, ports: [], ...fields };
}

function runDir(generation: number): string {
  return join(folder, "run", String(generation));
}

test("the first proxy is made, started and waited for, and its sockets are in a folder of ours alone", async () => {
  expect(await proxy.ensure(spec())).toEqual({ runDir: runDir(1), earlier: [] });
  expect(host.calls).toEqual(["create the first", "start edge-1"]);
  expect(portsLookedAt).toBe(1);
  expect(statSync(runDir(1)).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "run")).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "proxy.json")).mode & 0o777).toBe(0o600);
});

test("a proxy that is as wanted is left alone, also by the next daemon, and has its ports", async () => {
  await proxy.ensure(spec());
  host.calls.length = 0;
  expect(await again().ensure(spec({ ports: [{ key: "http", port: 80 }] }))).toEqual({
    runDir: runDir(1),
    earlier: [],
  });
  expect(host.calls).toEqual(["start edge-1"]);
  expect(portsLookedAt).toBe(1);
});

test("one that somebody stopped is started", async () => {
  await proxy.ensure(spec());
  await fakeEngine(host).stop("edge-1");
  await proxy.ensure(spec());
  expect(running()).toEqual([1]);
  expect(portsLookedAt).toBe(2);
});

test("another image takes over, and nobody waits for the last connection of the old one", async () => {
  await proxy.ensure(spec());
  const end = Promise.withResolvers<void>();
  host.hooks.set("send SIGUSR1 to edge-1", () => end.promise);
  expect(await proxy.ensure(spec({ image: "haproxy:3.2" }))).toEqual({
    runDir: runDir(2),
    earlier: [runDir(1)],
  });
  await Bun.sleep(1);
  expect(host.calls.slice(2)).toEqual([
    "create after /run/edge/1/admin.sock",
    "start edge-2",
    "send SIGUSR1 to edge-1",
  ]);
  expect(portsLookedAt).toBe(1);
  // Asked again in the meantime, it is not stopped twice.
  expect(await proxy.ensure(spec({ image: "haproxy:3.2" }))).toEqual({
    runDir: runDir(2),
    earlier: [runDir(1)],
  });
  expect(gone).toBe(0);
  end.resolve();
  await Bun.sleep(1);
  expect(gone).toBe(1);
  expect(all()).toEqual([2]);
  expect(existsSync(runDir(1))).toBe(false);
  expect((await proxy.ensure(spec({ image: "haproxy:3.2" }))).earlier).toEqual([]);
});

test("one that does not come up goes, and the old one goes on", async () => {
  await proxy.ensure(spec());
  dumb.add(2);
  await expect(proxy.ensure(spec({ image: "haproxy:3.2" }))).rejects.toMatchObject({
    code: "edge",
    message: "the edge's proxy does not start: it said nothing",
  });
  expect(running()).toEqual([1]);
  expect(all()).toEqual([1]);
  dumb.clear();
  expect(await proxy.ensure(spec({ image: "haproxy:3.2" }))).toEqual({
    runDir: runDir(3),
    earlier: [runDir(1)],
  });
});

test("one that ends at once is not waited for, and its complaint is told", async () => {
  dumb.add(1);
  host.images.lives.set("haproxy:3.2", {
    exits: { after: 100, code: 1 },
    prints: ["[ALERT]    (1) : cannot bind socket"],
  });
  await expect(proxy.ensure(spec({ image: "haproxy:3.2" }))).rejects.toThrow("cannot bind socket");
  expect(all()).toEqual([]);
});

test("of two that a kill or a boot left, the newest stays", async () => {
  await proxy.ensure(spec());
  host.hooks.set("send SIGUSR1 to edge-1", () => {
    throw new DeployerError("docker", "killed here");
  });
  await proxy.ensure(spec({ image: "haproxy:3.2" }));
  await Bun.sleep(1);
  expect(running()).toEqual([1, 2]);
  host.hooks.clear();
  expect(await again().ensure(spec({ image: "haproxy:3.2" }))).toEqual({
    runDir: runDir(2),
    earlier: [runDir(1)],
  });
  await Bun.sleep(1);
  expect(all()).toEqual([2]);
});

test("a signal is not sent before it can be heard, and not waited for without end", async () => {
  await proxy.ensure(spec());
  dumb.add(1);
  await proxy.ensure(spec({ image: "haproxy:3.2" }));
  await Bun.sleep(1);
  const before = host.clock.now();
  await proxy.remove("shop");
  expect(host.calls).toContain("send SIGUSR1 to edge-1");
  expect(host.clock.now() - before).toBeLessThan(10_000);
  expect(all()).toEqual([]);
});

test("one that a kill left unstarted is started, and takes over", async () => {
  await proxy.ensure(spec());
  host.hooks.set("start edge-2", () => {
    throw new DeployerError("docker", "killed here");
  });
  host.hooks.set("remove edge-2 with volumes", () => {
    throw new DeployerError("docker", "killed here");
  });
  await expect(proxy.ensure(spec({ image: "haproxy:3.2" }))).rejects.toThrow("killed here");
  host.hooks.clear();
  expect(await again().ensure(spec({ image: "haproxy:3.2" }))).toEqual({
    runDir: runDir(2),
    earlier: [runDir(1)],
  });
});

test("after a kill the newest is found or started as it is, whatever is wanted by now", async () => {
  await proxy.ensure(spec());
  const wanted = spec({ image: "haproxy:3.2" });
  host.calls.length = 0;
  expect(await again().rejoin(wanted)).toEqual({ runDir: runDir(1), earlier: [] });
  await fakeEngine(host).stop("edge-1");
  expect(await again().rejoin(wanted)).toEqual({ runDir: runDir(1), earlier: [] });
  expect(host.calls.filter((call) => call.startsWith("create"))).toEqual([]);
  expect(running()).toEqual([1]);
});

test("after a kill, of two of them the newest stays, and without any one is made", async () => {
  expect(await proxy.rejoin(spec())).toEqual({ runDir: runDir(1), earlier: [] });
  const end = Promise.withResolvers<void>();
  host.hooks.set("send SIGUSR1 to edge-1", () => end.promise);
  await proxy.ensure(spec({ image: "haproxy:3.2" }));
  expect(await again().rejoin(spec())).toEqual({ runDir: runDir(2), earlier: [runDir(1)] });
  end.resolve();
  await Bun.sleep(1);
  expect(all()).toEqual([2]);
});

test("containers that are not ours are left alone", async () => {
  host.create(service("edge", { image: IMAGE }), { labels: {} });
  await proxy.ensure(spec());
  await proxy.remove("shop");
  expect(host.all().map(({ id }) => id)).toEqual(["edge-1"]);
});

test("at the end all of them go, and are waited for", async () => {
  await proxy.ensure(spec());
  await proxy.ensure(spec({ image: "haproxy:3.2" }));
  await proxy.remove("shop");
  await proxy.remove("shop");
  expect(all()).toEqual([]);
});
