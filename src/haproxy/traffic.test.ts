import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../../test/fakes/log.ts";
import { waitFor } from "../../test/support/wait.ts";
import { systemClock } from "../system/clock.ts";
import { measureTraffic } from "./traffic.ts";

const DEADLINE = 5_000;

/** A worker of a proxy: its ring, and who follows it. */
type Worker = { pid: number; startedAt: number; ring: string[]; followers: Set<Socket>; connections: number };

/** The sockets of a proxy whose worker can be replaced. */
class FakeProxy {
  readonly workers: Worker[] = [];
  readonly #servers: Server[] = [];
  readonly #runDir: string;

  constructor(runDir: string) {
    this.#runDir = runDir;
    this.reload();
    this.#serve("admin.sock", (command, socket) => this.#answer(this.current, command, socket));
    this.#serve("master.sock", (command, socket) => {
      const [, pid, rest = ""] = /^@!(\d+) (.*)$/.exec(command) ?? [];
      const worker = this.workers.find((each) => String(each.pid) === pid);
      if (worker !== undefined) return this.#answer(worker, rest, socket);
      const rows = this.workers.map((each) => `${each.pid}  worker  0  0d00h00m00s  3.0.11`);
      socket.end(`#<PID> <type>\n1  master  0  0d00h00m00s  3.0.11\n${rows.join("\n")}\n`);
    });
  }

  get current(): Worker {
    const worker = this.workers.at(-1);
    if (worker === undefined) throw new Error("no worker");
    return worker;
  }

  reload(): void {
    const pid = 8 + this.workers.length;
    this.workers.push({ pid, startedAt: 1_000 + pid, ring: [], followers: new Set(), connections: 0 });
  }

  log(worker: Worker, line: string): void {
    worker.ring.push(line);
    for (const follower of worker.followers) follower.write(`${line}\n`);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const { followers } of this.workers) for (const follower of followers) follower.destroy();
  }

  #answer(worker: Worker, command: string, socket: Socket): void {
    if (command === "show info") {
      const isStopping = worker !== this.current;
      socket.end(
        `Name: HAProxy\nPid: ${worker.pid}\nStart_time_sec: ${worker.startedAt}\nCurrConns: ${worker.connections}\nStopping: ${isStopping ? 1 : 0}\n`,
      );
      return;
    }
    if (!command.endsWith("-n")) for (const line of worker.ring) socket.write(`${line}\n`);
    worker.followers.add(socket);
    socket.on("close", () => worker.followers.delete(socket));
  }

  #serve(name: string, onCommand: (command: string, socket: Socket) => void): void {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", (chunk: Buffer) => onCommand(chunk.toString().trim(), socket));
    });
    server.listen(join(this.#runDir, name));
    this.#servers.push(server);
  }
}

let runDir: string;
let proxy: FakeProxy;

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), "edge-traffic-"));
  proxy = new FakeProxy(runDir);
});
afterEach(() => {
  proxy.close();
  rmSync(runDir, { recursive: true, force: true });
});

function measure(log = fakeLog(), dir = () => runDir) {
  return measureTraffic({ clock: systemClock, log }, dir, ["web"]);
}

async function followed(worker: Worker): Promise<void> {
  await waitFor("the worker to be followed", DEADLINE, () => worker.followers.size === 1);
}

const REQUEST = "req web c1.80 200 0 0 5 0 -- - -";

test("requests are counted from the beginning of the measurement to its end", async () => {
  proxy.log(proxy.current, REQUEST);
  const measurement = await measure();
  await followed(proxy.current);
  proxy.log(proxy.current, REQUEST);
  proxy.log(proxy.current, REQUEST);
  const traffic = await measurement.stop();
  expect(traffic.get("web")).toMatchObject({ requests: 2, failed: 0 });
  await waitFor("the stream to be closed", DEADLINE, () => proxy.current.followers.size === 0);
});

test("lines arrive in any pieces", async () => {
  const measurement = await measure();
  await followed(proxy.current);
  const [follower] = proxy.current.followers;
  for (const piece of ["req web c1.8", "0 200 0 0 5 0 -- - -\nreq", ` web c1.80 503 0 -1 -1 0 SC - -\n`]) {
    follower?.write(piece);
    await Bun.sleep(5);
  }
  expect((await measurement.stop()).get("web")).toMatchObject({ requests: 2, failed: 1 });
});

test("after a reload the new worker is counted from its first line, the old one to its last, and then left", async () => {
  const measurement = await measure();
  const old = proxy.current;
  await followed(old);
  old.connections = 1;
  proxy.reload();
  const { current } = proxy;
  proxy.log(current, REQUEST);
  await followed(current);
  proxy.log(old, REQUEST);
  proxy.log(current, REQUEST);
  await Bun.sleep(300);
  expect(old.followers.size).toBe(1);
  old.connections = 0;
  proxy.log(old, REQUEST);
  await waitFor("the old one to be left", DEADLINE, () => old.followers.size === 0);
  expect((await measurement.stop()).get("web")).toMatchObject({ requests: 4 });
});

test("a stream that breaks is taken up again without counting twice", async () => {
  const measurement = await measure();
  await followed(proxy.current);
  proxy.log(proxy.current, REQUEST);
  await Bun.sleep(20);
  for (const follower of proxy.current.followers) follower.destroy();
  await waitFor("it to be gone", DEADLINE, () => proxy.current.followers.size === 0);
  await followed(proxy.current);
  proxy.log(proxy.current, REQUEST);
  expect((await measurement.stop()).get("web")).toMatchObject({ requests: 2 });
});

test("when another proxy has taken over, both are counted", async () => {
  const otherDir = mkdtempSync(join(tmpdir(), "edge-traffic-"));
  const other = new FakeProxy(otherDir);
  let dir = runDir;
  const measurement = await measure(fakeLog(), () => dir);
  await followed(proxy.current);
  proxy.log(proxy.current, REQUEST);
  dir = otherDir;
  other.log(other.current, REQUEST);
  await followed(other.current);
  proxy.log(proxy.current, REQUEST);
  expect((await measurement.stop()).get("web")).toMatchObject({ requests: 3 });
  other.close();
  rmSync(otherDir, { recursive: true, force: true });
});

test("without a proxy nothing is counted, and nothing fails", async () => {
  const log = fakeLog();
  const measurement = await measure(log, () => join(runDir, "none"));
  expect(await measurement.stop()).toEqual(new Map());
  expect(log.lines.map(({ message }) => message)).toEqual([
    "the requests of this deployment are not counted",
  ]);
});
