import { expect, test } from "bun:test";

import { openSockets } from "./sockets.ts";
import { waitFor } from "./wait.ts";

const COUNT = 1_000;
const DEADLINE = 5_000;

test("a thousand sockets with a Host of their own echo, and those that are cut are told, with code and time", async () => {
  using server = startServer();
  await using sockets = await openSockets({ url: server.url, host: "shop.example.com", count: COUNT });
  expect(server.hosts).toEqual(new Set(["shop.example.com"]));
  expect(sockets.open()).toBe(COUNT);
  expect(await sockets.echo()).toEqual({ versions: { v1: COUNT }, lost: 0 });
  expect(sockets.cuts()).toEqual([]);

  const before = Date.now();
  server.cut(3, (socket) => socket.terminate());
  server.cut(2, (socket) => socket.close(1001, "bye"));
  await waitFor("five to be cut", DEADLINE, () => sockets.cuts().length === 5);
  const codes = sockets.cuts().map(({ code }) => code);
  expect(codes.toSorted((a, b) => a - b)).toEqual([1001, 1001, 1006, 1006, 1006]);
  for (const { at } of sockets.cuts()) expect(at).toBeWithin(before, Date.now() + 1);
  expect(sockets.open()).toBe(COUNT - 5);

  server.mumble();
  expect(await sockets.echo()).toEqual({ versions: {}, lost: COUNT - 5 });
  await sockets.close();
  expect(sockets.cuts()).toHaveLength(5);
});

test("a socket that cannot be opened is an error with its number", async () => {
  using server = Bun.serve({ port: 0, fetch: () => new Response("no", { status: 503 }) });
  await expect(openSockets({ url: `ws://127.0.0.1:${server.port}/socket`, count: 1 })).rejects.toThrow(
    "socket 0 was not opened",
  );
});

function startServer() {
  const open = new Set<Bun.ServerWebSocket>();
  const hosts = new Set<string | null>();
  let ending = "";
  const server = Bun.serve({
    port: 0,
    fetch(request, server) {
      hosts.add(request.headers.get("host"));
      return server.upgrade(request) ? undefined : new Response("not a WebSocket", { status: 400 });
    },
    websocket: {
      open: (socket) => void open.add(socket),
      message: (socket, text) => void socket.send(`v1 ${text.toString()}${ending}`),
      close: (socket) => void open.delete(socket),
    },
  });
  return {
    url: `ws://127.0.0.1:${server.port}/socket`,
    hosts,
    cut(count: number, how: (socket: Bun.ServerWebSocket) => void) {
      for (const socket of [...open].slice(0, count)) {
        open.delete(socket);
        how(socket);
      }
    },
    mumble: () => void (ending = "?"),
    [Symbol.dispose]: () => void server.stop(true),
  };
}
