import { randomInt } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Edge } from "../../src/core/edge.ts";
import type { Log } from "../../src/core/ports.ts";
import { createCli } from "../../src/haproxy/cli.ts";
import { createEdge } from "../../src/haproxy/edge.ts";
import { CONFIG_FILE, type Proxy } from "../../src/haproxy/proxy.ts";
import { complaintIn } from "../../src/haproxy/said.ts";
import { assertFree } from "../../src/haproxy/taken-ports.ts";
import { measureTraffic } from "../../src/haproxy/traffic.ts";
import { systemClock } from "../../src/system/clock.ts";
import { haproxyArchive } from "./haproxy-files.ts";
import { attempt, BASE_ENV, run } from "./run.ts";
import { endProcess, startTied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** A real HAProxy in a root of its own, without Docker, and the edge that drives it. As root. */
export type HaproxyStage = {
  edge: Edge;
  /** Where the edge keeps its files. */
  folder: string;
  /** What was logged at `warn` and above. */
  warnings: string[];
  /** Address of a container: one of a network of the loopback interface. */
  address(container: string): string;
  /** Gives a container another address. */
  move(container: string): void;
  /** A daemon that starts anew with the same folder. */
  anotherDaemon(): Edge;
  /** Kills the proxy; it starts from its files, as Docker would start it. */
  restartProxy(): Promise<void>;
  /** Ends the proxy without another one. */
  killProxy(): Promise<void>;
  /** As the proxy itself says it, to one command. */
  ask(command: string): Promise<string>;
  /** The states of a service's containers. */
  servers(service: string): Promise<Record<string, string>>;
  [Symbol.asyncDispose](): Promise<void>;
};

type Running = { name: string; image: string; process: Bun.Subprocess };

const PROGRAM = "/usr/local/sbin/haproxy";
const START_DEADLINE = 10_000;
const FOLDER = "edge";

let template: Promise<string> | undefined;

/** @param daemon address of what answers for the daemon */
export async function startHaproxyStage(daemon = "127.0.0.1:1"): Promise<HaproxyStage> {
  template ??= unpack();
  const root = mkdtempSync(join(tmpdir(), "dstest-edge-"));
  await run(["cp", "-al", `${await template}/.`, root]);
  // The workers are nobody, and read the challenges.
  chmodSync(root, 0o755);
  const folder = join(root, FOLDER);
  const addresses = new Map<string, string>();
  // Of its own: all containers listen on one port, those of other tests at the same time as well.
  const network = `127.${randomInt(1, 255)}.${randomInt(0, 255)}`;
  const warnings: string[] = [];
  const earlier: Running[] = [];
  let current: Running | undefined;
  let starts = 0;
  let next = 0;

  function address(container: string): string {
    return addresses.get(container) ?? move(container);
  }

  function move(container: string): string {
    next += 1;
    addresses.set(container, `${network}.${next}`);
    return `${network}.${next}`;
  }

  async function start(name: string, image: string, before: string | undefined): Promise<Running> {
    const runDir = `/${FOLDER}/run/${name}`;
    mkdirSync(join(root, runDir), { recursive: true, mode: 0o700 });
    const argv = ["chroot", root, PROGRAM, "-W", "-db", "-S", `${runDir}/master.sock,mode,600,uid,0,gid,0`];
    const from = before === undefined ? [] : ["-x", `/${FOLDER}/run/${before}/admin.sock`];
    const log = join(root, `${name}.log`);
    const process = startTied([...argv, ...from, "-f", `/${FOLDER}/${CONFIG_FILE}`], {
      env: { ...BASE_ENV, RUN_DIR: runDir },
      log,
    });
    const cli = createCli(join(root, runDir));
    await waitFor("HAProxy to answer", START_DEADLINE, async () => {
      if (process.exitCode !== null) throw new Error(complaintIn((await Bun.file(log).text()).split("\n")));
      // Both of its sockets.
      return await Promise.all([cli.ask("show info"), cli.workers()]).catch(() => undefined);
    });
    return { name, image, process };
  }

  async function ensure(image: string) {
    if (current?.image !== image || current.process.exitCode !== null) {
      const old = current;
      starts += 1;
      current = await start(`p${starts}`, image, old?.name);
      old?.process.kill("SIGUSR1");
      if (old !== undefined) earlier.push(old);
    }
    const path = ({ name }: Running) => join(folder, "run", name);
    return { runDir: path(current), earlier: earlier.map(path) };
  }

  const proxy: Proxy = {
    ensure: ({ image = "ours" }) => ensure(image),
    rejoin: ({ image = "ours" }) => ensure(current?.image ?? image),
    isThere: () => Promise.resolve(current !== undefined),
    assertFree: (ports) => assertFree(ports, { publishers: () => Promise.resolve([]) }),
    assertImage: () => Promise.resolve(),
    async remove() {
      if (current !== undefined) await endProcess(current.process);
      current = undefined;
    },
    async validate(_spec, file) {
      const argv = ["chroot", root, PROGRAM, "-c", "-f", `/${FOLDER}/${file}`];
      const result = await attempt(argv, { env: { ...BASE_ENV, RUN_DIR: `/${FOLDER}/run` } });
      return result.exitCode === 0 ? undefined : complaintIn(result.stderr.split("\n"));
    },
    addressOf: (_project, container, next) =>
      Promise.resolve({ address: address(container), next: next + 1 }),
    measure: (runDir, services) => measureTraffic({ clock: systemClock, log }, runDir, services),
  };

  const collect = (message: string, fields?: Record<string, unknown>) =>
    void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const quiet = () => undefined;
  const log: Log = { debug: quiet, info: quiet, warn: collect, error: collect, fatal: collect };
  const anotherDaemon = () =>
    createEdge({
      folder,
      proxy,
      clock: systemClock,
      log,
      daemon: { address: daemon, speaksTls: false },
      owner: { uid: 0, gid: 0 },
      ipv6: false,
    });
  const edge = anotherDaemon();

  async function killProxy(): Promise<void> {
    current?.process.kill("SIGKILL");
    await current?.process.exited;
    // Its worker notices on its own, and may take a moment.
    const worker = join(folder, "run", current?.name ?? "", "admin.sock");
    await waitFor("the worker to end", START_DEADLINE, async () => {
      const cli = createCli(join(worker, ".."));
      return await cli.ask("show info").then(
        () => false,
        () => true,
      );
    });
  }

  return {
    edge,
    folder,
    warnings,
    address,
    move,
    anotherDaemon,
    killProxy,
    async restartProxy() {
      if (current === undefined) throw new Error("there is no proxy");
      await killProxy();
      current = await start(current.name, current.image, undefined);
    },
    ask: (command) => createCli(join(folder, "run", current?.name ?? "")).ask(command),
    async servers(service) {
      const states = await edge.servers(service);
      return Object.fromEntries(states.map(({ container, state }) => [container, state]));
    },
    async [Symbol.asyncDispose]() {
      for (const one of [current, ...earlier]) if (one !== undefined) await endProcess(one.process);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

async function unpack(): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "dstest-haproxy-"));
  process.on("exit", () => rmSync(root, { recursive: true, force: true }));
  const archive = join(root, "haproxy.tar");
  await Bun.write(archive, await haproxyArchive());
  await run(["tar", "-xf", archive, "-C", root]);
  rmSync(archive);
  mkdirSync(join(root, "dev"));
  await run(["mknod", "-m", "666", join(root, "dev/null"), "c", "1", "3"]);
  return root;
}
