import { expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";

import { httpProbe } from "./probe.ts";

const LONG = 5_000;
const SHORT = 200;
const PATH = { path: "/health?full=1", host: undefined, headers: {} };

type Listening = AsyncDisposable & { port: number; requests: string[]; closed: Promise<void> };

/** A server that does `answer` with each connection once a request has come. */
async function listening(answer: (socket: Socket) => void, address = "127.0.0.1"): Promise<Listening> {
  const requests: string[] = [];
  const closed = Promise.withResolvers<void>();
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("close", () => closed.resolve());
    socket.once("data", (data) => {
      requests.push(data.toString());
      answer(socket);
    });
  });
  const ready = Promise.withResolvers<void>();
  server.listen(0, address, () => ready.resolve());
  await ready.promise;
  const bound = server.address();
  return {
    port: typeof bound === "object" ? (bound?.port ?? 0) : 0,
    requests,
    closed: closed.promise,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

function saying(text: string): (socket: Socket) => void {
  return (socket) => socket.write(text);
}

test("the request names the path, the host and the headers it was given", async () => {
  await using server = await listening(saying("HTTP/1.1 204 No Content\r\n\r\n"));
  const headers = { "X-Token": "a", "User-Agent": "mine", Host: "other", Connection: "keep-alive" };
  const request = { path: "/health?full=1", host: "shop.example", headers };
  expect(await httpProbe.status("127.0.0.1", server.port, request, LONG)).toBe(204);
  const [first, ...lines] = server.requests[0]?.trim().split("\r\n") ?? [];
  expect(first).toBe("GET /health?full=1 HTTP/1.1");
  expect(lines.map((line) => line.toLowerCase()).toSorted()).toEqual([
    "accept: */*",
    "connection: close",
    "host: shop.example",
    "user-agent: mine",
    "x-token: a",
  ]);
});

test("without a host that of the address is named", async () => {
  await using server = await listening(saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  await httpProbe.status("127.0.0.1", server.port, PATH, LONG);
  expect(server.requests[0]).toContain(`\r\nHost: 127.0.0.1:${server.port}\r\n`);
});

test("an IPv6 address is asked too", async () => {
  await using server = await listening(saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "::1");
  expect(await httpProbe.status("::1", server.port, PATH, LONG)).toBe(200);
});

test.each([
  [
    "a redirect is an answer, and not followed",
    "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
    302,
  ],
  ["so is a refusal", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503],
  ["HTTP/1.0 will do", "HTTP/1.0 200 OK\r\n\r\n", 200],
  [
    "what is only provisional is not the answer",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n",
    404,
  ],
  [
    "a body that is not what it says is not looked at",
    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 900\r\n\r\nno gzip",
    200,
  ],
])("%s", async (_, text, status) => {
  await using server = await listening(saying(text));
  expect(await httpProbe.status("127.0.0.1", server.port, PATH, LONG)).toBe(status);
  expect(server.requests).toHaveLength(1);
  await server.closed;
});

test("a body without end is dropped, and its connection closed", async () => {
  await using server = await listening((socket) => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    const timer = setInterval(() => socket.write("x".repeat(65_536)), 1);
    socket.on("close", () => clearInterval(timer));
  });
  expect(await httpProbe.status("127.0.0.1", server.port, PATH, LONG)).toBe(200);
  await server.closed;
});

test.each([
  ["never comes", () => undefined],
  ["comes a byte at a time", (socket: Socket) => drip(socket, "H")],
  [
    "never ends its headers",
    (socket: Socket) => (socket.write("HTTP/1.1 200 OK\r\n"), drip(socket, "X: y\r\n")),
  ],
])("an answer that %s is given up at the deadline, and its connection closed", async (_, answer) => {
  await using server = await listening(answer);
  await expect(httpProbe.status("127.0.0.1", server.port, PATH, SHORT)).rejects.toMatchObject({
    code: "rollout",
    message: "GET /health?full=1: no answer within 0.2 s",
  });
  await server.closed;
});

test.each([
  ["is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"],
  ["has no status", "HTTP/1.1 fine\r\n\r\n", "the answer is not HTTP"],
  [
    "is another protocol",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "the answer is not plain HTTP",
  ],
])("an answer that %s is an error that says so", async (_, text, reason) => {
  await using server = await listening(saying(text));
  await expect(httpProbe.status("127.0.0.1", server.port, PATH, LONG)).rejects.toMatchObject({
    code: "rollout",
    message: `GET /health?full=1: ${reason}`,
  });
});

test.each([
  ["closed", (socket: Socket) => void socket.end()],
  ["reset", (socket: Socket) => void socket.resetAndDestroy()],
])("a connection that is %s without an answer is an error that says so", async (_, answer) => {
  await using server = await listening(answer);
  await expect(httpProbe.status("127.0.0.1", server.port, PATH, LONG)).rejects.toMatchObject({
    code: "rollout",
    message: "GET /health?full=1: the connection was closed without an answer",
  });
});

test("a port where nobody listens is an error that says so", async () => {
  const server = await listening(() => undefined);
  await server[Symbol.asyncDispose]();
  await expect(httpProbe.status("127.0.0.1", server.port, PATH, LONG)).rejects.toMatchObject({
    code: "rollout",
    message: "GET /health?full=1: connection refused",
  });
});

test("no proxy of the environment is used", async () => {
  await using server = await listening(saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  const proxy = "http://127.0.0.1:9";
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `import { httpProbe } from "${import.meta.dir}/probe.ts";
       console.log(await httpProbe.status("127.0.0.1", ${server.port}, { path: "/", host: undefined, headers: {} }, ${LONG}));`,
    ],
    { env: { HTTP_PROXY: proxy, http_proxy: proxy, ALL_PROXY: proxy }, stdout: "pipe", stderr: "inherit" },
  );
  expect(await child.stdout.text()).toBe("200\n");
});

function drip(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 20);
  socket.on("close", () => clearInterval(timer));
}
