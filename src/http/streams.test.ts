import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { begin, end } from "../core/deployment.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, GOOD_TOKEN } from "./fake-daemon.ts";
import { serve, type Server } from "./serve.ts";

/** Streams over real connections. */

const STREAM = { ...AUTHORIZED, Accept: "text/event-stream" };
const RUNNING = begin(queued("d1", CREATED_AT), CREATED_AT);
const SUCCESS = outcomeOf("succeeded");
const ENDED = end(RUNNING, SUCCESS, CREATED_AT + 1);
const DEADLINE_MS = 5_000;

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.stop(0);
  server = undefined;
});

function start() {
  const fake = fakeDaemon();
  fake.change(RUNNING);
  server = serve(fake.daemon, { port: 0, bindAddress: "127.0.0.1" });
  const watching = (): number =>
    fake.calls.filter((call) => call === "watch d1").length -
    fake.calls.filter((call) => call === "unwatch d1").length;
  return { ...fake, server, watching, url: `${server.url}/deployments/d1/events` };
}

async function until(what: () => boolean): Promise<void> {
  const giveUp = performance.now() + DEADLINE_MS;
  while (!what()) {
    if (performance.now() > giveUp) throw new Error(`gave up waiting for ${what.toString()}`);
    await Bun.sleep(5);
  }
}

function ids(text: string): number[] {
  return [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
}

test("fifty readers see every event, once and in order, and the end", async () => {
  const { url, tell, change, watching } = start();
  tell("d1", "first");
  const texts = [...Array(50)].map(async () => await (await fetch(url, { headers: STREAM })).text());
  await until(() => watching() === 50);
  for (let n = 2; n <= 300; n += 1) {
    tell("d1", `event ${n}`);
    if (n % 20 === 0) await Bun.sleep(1);
  }
  change(ENDED);
  for (const text of await Promise.all(texts)) {
    expect(ids(text)).toEqual([...Array(300)].map((_, index) => index + 1));
    expect(text.split("event: done\n").length).toBe(2);
  }
  expect(watching()).toBe(0);
}, 20_000);

test("the headers are there before the first event", async () => {
  const { url } = start();
  const reply = await fetch(url, { headers: STREAM, signal: AbortSignal.timeout(DEADLINE_MS) });
  expect(reply.headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
  await reply.body?.cancel();
});

test("readers that go away are forgotten", async () => {
  const { url, watching } = start();
  const gone = new AbortController();
  for (let n = 0; n < 10; n += 1) {
    const reply = await fetch(url, { headers: STREAM, signal: gone.signal });
    void reply.text().catch(() => undefined);
  }
  await until(() => watching() === 10);
  gone.abort();
  await until(() => watching() === 0);
});

test("fifty times HEAD leaves nothing behind", async () => {
  const { url, calls } = start();
  for (let n = 0; n < 50; n += 1)
    expect((await fetch(url, { method: "HEAD", headers: STREAM })).status).toBe(200);
  expect(calls.filter((call) => call.startsWith("watch"))).toEqual([]);
});

test("a reader that takes nothing makes the daemon read no further than the connection holds", async () => {
  const { server, daemon, tell } = start();
  for (let n = 0; n < 100; n += 1) tell("d1", "x".repeat(2_000));
  let pages = 0;
  const events: typeof daemon.events = daemon.events.bind(daemon);
  // Two hundred megabytes, if somebody took them.
  daemon.events = (id, after, limit) => {
    if (pages >= 1_000) return [];
    pages += 1;
    return events(id, 0, limit).map((event, index) => Object.assign({}, event, { seq: after + index + 1 }));
  };
  const socket = connect(server.port, "127.0.0.1", () =>
    socket.write(
      `GET /deployments/d1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${GOOD_TOKEN}\r\nAccept: text/event-stream\r\n\r\n`,
    ),
  );
  sockets.push(socket.pause());
  await until(() => pages > 3);
  for (let before = 0; pages !== before; await Bun.sleep(300)) before = pages;
  expect(pages).toBeLessThan(200);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("a stop of the streams lets the server stop at once", async () => {
  const { url, server, watching, tell, stopStreams } = start();
  const text = fetch(url, { headers: STREAM }).then((reply) => reply.text());
  await until(() => watching() === 1);
  tell("d1", "last");
  stopStreams();
  const begin = performance.now();
  await server.stop(DEADLINE_MS);
  expect(performance.now() - begin).toBeLessThan(DEADLINE_MS);
  expect(ids(await text)).toEqual([1]);
  expect(await text).not.toContain("event: done");
});

test("the connection goes on after a stream that has ended", async () => {
  const { server, change } = start();
  change(ENDED);
  const head = `Host: a\r\nAuthorization: Bearer ${GOOD_TOKEN}\r\n`;
  let received = "";
  const socket = connect(server.port, "127.0.0.1", () =>
    socket.write(`GET /deployments/d1/events HTTP/1.1\r\n${head}Accept: text/event-stream\r\n\r\n`),
  );
  sockets.push(socket);
  socket.on("data", (data) => (received += data.toString()));
  await until(() => received.includes("event: done") && received.endsWith("0\r\n\r\n"));
  socket.write(`GET /version HTTP/1.1\r\n${head}Connection: close\r\n\r\n`);
  await until(() => received.endsWith("v1.2.3\n"));
});
