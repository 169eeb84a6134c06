import { expect, test } from "bun:test";

import { startLoad } from "./load.ts";
import { latencyBetween, type LoadOptions, type LoadResult } from "./load-result.ts";

type Fault = "reset" | "closed" | "malformed" | "status 503" | "wrong body" | "wrong service other";

const FAULTS: readonly Fault[] = [
  "reset",
  "closed",
  "malformed",
  "status 503",
  "wrong body",
  "wrong service other",
];
/** Every so many requests, each fault comes once. */
const ROUND = 50;
const HEAD_END = "\r\n\r\n";

test("what a server does to requests is reported, each once, and nothing else", async () => {
  using server = startServer({ faultsAt: (count) => FAULTS[(count % ROUND) / 8] });
  const result = await runLoad(1_500, { port: server.port, perSecond: 200, service: "web" });
  expect(result.reasons).toEqual(server.faults);
  expect(Object.keys(server.faults)).toHaveLength(FAULTS.length);
  expect(result.sent).toBe(server.received);
  expect(result.ok + result.failed).toBe(result.sent);
  expect(result.versions).toEqual({ v1: result.ok });
  expect(result.failures).toHaveLength(result.failed);
  expect(new Set(result.failures.map(({ kind }) => kind))).toContain("post");
});

test("it asks at a constant rate also while nobody answers, and latency counts from when a request was due", async () => {
  using server = startServer({});
  await using load = await startLoad({ port: server.port, perSecond: 200, slow: 0 });
  await Bun.sleep(300);
  server.pause();
  const from = load.mark("pause");
  await Bun.sleep(600);
  const to = load.mark("go on");
  server.goOn();
  await Bun.sleep(300);
  const result = await load.stop();
  expect(result.failed).toBe(0);
  const full = result.buckets.slice(0, -1);
  expect(new Set(full.map(({ sent }) => sent))).toEqual(new Set([20]));
  expect(result.marks.map(({ name }) => name)).toEqual(["pause", "go on"]);
  expect(latencyBetween(result, from, to).max).toBeGreaterThan(500);
  expect(latencyBetween(result, from, from + 100).p50).toBeGreaterThan(400);
  expect(Math.max(...result.buckets.map(({ max }) => max))).toBe(result.latency.max);
});

test("connections that are kept are used again, and not when the server has closed them or said that it will", async () => {
  using lasting = startServer({});
  const kept = await runLoad(800, { port: lasting.port, perSecond: 100, newConnections: 0, slow: 0 });
  expect(kept.failed).toBe(0);
  expect(kept.connections).toBeLessThan(kept.sent / 2);

  using announced = startServer({ closes: "announced" });
  const short = await runLoad(500, { port: announced.port, perSecond: 200, newConnections: 0 });
  expect(short.failed).toBe(0);
  expect(short.connections).toBe(short.sent);

  using idle = startServer({ closes: "when idle" });
  const cut = await runLoad(800, { port: idle.port, perSecond: 50, newConnections: 0 });
  expect(cut.reasons).toEqual(idle.faults);
  expect(cut.ok).toBeGreaterThan(30);
});

test("a port that nobody listens on and an answer that does not come are failures", async () => {
  using server = startServer({});
  server.pause();
  const silent = await runLoad(200, { port: server.port, perSecond: 50, timeoutMs: 200 });
  expect(silent.reasons).toEqual({ timeout: silent.sent });
  const port = server.port;
  server[Symbol.dispose]();
  const refused = await runLoad(200, { port, perSecond: 50 });
  expect(refused.reasons).toEqual({ refused: refused.sent });
  expect(refused.sent).toBeGreaterThan(5);
});

async function runLoad(milliseconds: number, options: LoadOptions): Promise<LoadResult> {
  await using load = await startLoad({ slowMs: 20, slow: 0.1, ...options });
  await Bun.sleep(milliseconds);
  return await load.stop();
}

type Behaviour = {
  faultsAt?: (count: number) => Fault | undefined;
  closes?: "announced" | "when idle";
};
type State = { received: Buffer; ended: boolean };

/** Counts what it receives and what it does wrong. */
function startServer({ faultsAt, closes }: Behaviour) {
  const faults: Record<string, number> = {};
  const waiting: (() => void)[] = [];
  let received = 0;
  let isPaused = false;

  function serve(socket: Bun.Socket<State>): void {
    for (let request = takeRequest(socket.data); request !== undefined; request = takeRequest(socket.data)) {
      received += 1;
      const { body } = request;
      const reply = () => answer(socket, body, faultsAt?.(received));
      if (isPaused) waiting.push(reply);
      else reply();
    }
  }

  function answer(socket: Bun.Socket<State>, body: Buffer, fault: Fault | undefined): void {
    if (fault !== undefined) count(fault);
    if (fault === "reset") return socket.terminate();
    if (fault === "closed") return void socket.end();
    if (fault === "malformed") return void socket.write("good morning\r\n\r\n");
    const sha256 = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    const right = body.length === 0 ? "v1" : JSON.stringify({ sha256, length: body.length });
    const text = fault === "wrong body" ? "v" : right;
    const lines = [
      `HTTP/1.1 ${fault === "status 503" ? "503 Busy" : "200 OK"}`,
      `X-Service: ${fault === "wrong service other" ? "other" : "web"}`,
      "X-Version: v1",
      ...(closes === "announced" ? ["Connection: close"] : []),
      `Content-Length: ${text.length}`,
    ];
    socket.write(lines.join("\r\n") + HEAD_END + text);
    if (closes === "when idle") setTimeout(() => end(socket), 5);
  }

  /** What comes after the end, or has come and was not answered, is lost. */
  function end(socket: Bun.Socket<State>): void {
    socket.data.ended = true;
    socket.end();
  }

  function count(fault: string): void {
    faults[fault] = (faults[fault] ?? 0) + 1;
  }

  const listener = Bun.listen<State>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void (socket.data = { received: Buffer.alloc(0), ended: false }),
      data(socket, bytes) {
        if (socket.data.ended) return count("closed");
        socket.data.received = Buffer.concat([socket.data.received, bytes]);
        serve(socket);
      },
    },
  });
  return {
    port: listener.port,
    faults,
    get received() {
      return received;
    },
    pause: () => void (isPaused = true),
    goOn() {
      isPaused = false;
      for (const reply of waiting.splice(0)) reply();
    },
    [Symbol.dispose]: () => listener.stop(true),
  };
}

function takeRequest(state: State): { body: Buffer } | undefined {
  const end = state.received.indexOf(HEAD_END);
  if (end < 0) return undefined;
  const head = state.received.toString("latin1", 0, end);
  const start = end + HEAD_END.length;
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? "0");
  if (state.received.length < start + length) return undefined;
  const body = state.received.subarray(start, start + length);
  state.received = state.received.subarray(start + length);
  return { body };
}
