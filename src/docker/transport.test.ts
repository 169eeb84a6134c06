import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { expect, test } from "bun:test";

import { fakeEngine, pieces } from "./fake-engine.ts";
import { dockerHost } from "./host.ts";
import { createTransport, type Call } from "./transport.ts";

const LIST: Call = { method: "GET", path: "/containers/json", deadlineMs: 2_000 };

test("an older engine is spoken to in its own version, negotiated once", async () => {
  await using engine = fakeEngine(() => Response.json([]), { apiVersion: "1.41" });
  const transport = createTransport(engine.host);
  expect(await transport.send({ ...LIST, query: { all: "true" } })).toEqual({ status: 200, text: "[]" });
  await transport.send(LIST);
  expect(engine.requests).toEqual([
    "GET /_ping",
    "GET /v1.41/containers/json?all=true",
    "GET /v1.41/containers/json",
  ]);
});

test("a newer engine is spoken to in our version", async () => {
  await using engine = fakeEngine(() => Response.json([]), { apiVersion: "1.99" });
  await createTransport(engine.host).send(LIST);
  expect(engine.requests).toEqual(["GET /_ping", "GET /v1.47/containers/json"]);
});

test("1.9 is older than 1.30, and refused with what is needed", async () => {
  await using engine = fakeEngine(() => Response.json([]), { apiVersion: "1.9" });
  await expect(createTransport(engine.host).send(LIST)).rejects.toMatchObject({
    code: "docker",
    message: "Docker 20.10.24 is too old: it offers API 1.9, needed is 1.30 or newer",
  });
});

test("a ping tells the engine's version", async () => {
  await using engine = fakeEngine(() => Response.json([]));
  expect(await createTransport(engine.host).ping()).toEqual({ version: "20.10.24", apiVersion: "1.41" });
});

test("an engine upgraded to a version that refuses the old API is negotiated with again, and the call repeated once", async () => {
  const options = { apiVersion: "1.41" };
  await using engine = fakeEngine((_, url) => {
    if (!url.pathname.startsWith("/v1.41/") || options.apiVersion === "1.41") return Response.json([]);
    const message =
      "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client";
    return Response.json({ message }, { status: 400 });
  }, options);
  const transport = createTransport(engine.host);
  await transport.send(LIST);
  options.apiVersion = "1.52";
  expect(await transport.send(LIST)).toEqual({ status: 200, text: "[]" });
  expect(engine.requests.slice(2)).toEqual([
    "GET /v1.41/containers/json",
    "GET /_ping",
    "GET /v1.47/containers/json",
  ]);
});

test("a body is sent as JSON, again when the call is repeated", async () => {
  const bodies: [string | null, unknown][] = [];
  await using engine = fakeEngine(async (request) => {
    bodies.push([request.headers.get("content-type"), await request.json()]);
    const message = "client version 1.41 is too old. Minimum supported API version is 1.44";
    return bodies.length === 1 ? Response.json({ message }, { status: 400 }) : Response.json([]);
  });
  const call: Call = { ...LIST, method: "POST", body: { Cmd: ["a", "ä\n"] } };
  expect((await createTransport(engine.host).send(call)).status).toBe(200);
  expect(bodies).toEqual([
    ["application/json", { Cmd: ["a", "ä\n"] }],
    ["application/json", { Cmd: ["a", "ä\n"] }],
  ]);
});

test("another 400 is an answer like any other", async () => {
  await using engine = fakeEngine(() => Response.json({ message: "bad filter" }, { status: 400 }));
  expect(await createTransport(engine.host).send(LIST)).toEqual({
    status: 400,
    text: '{"message":"bad filter"}',
  });
  expect(engine.requests).toHaveLength(2);
});

test("an engine that went away is said to be unreachable, and negotiated with anew when it is back", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "engine-")), "docker.sock");
  const first = fakeEngine(() => Response.json([]), { path, apiVersion: "1.41" });
  const transport = createTransport(first.host);
  await transport.send(LIST);
  await first[Symbol.asyncDispose]();
  await expect(transport.send(LIST)).rejects.toMatchObject({
    code: "docker",
    message: `Docker is not reachable at unix://${path}: there is no such socket; is Docker installed and running (systemctl start docker)?`,
  });
  await using second = fakeEngine(() => Response.json([]), { path, apiVersion: "1.44" });
  await transport.send(LIST);
  expect(second.requests).toEqual(["GET /_ping", "GET /v1.44/containers/json"]);
});

test("a path that is no socket is said to be unreachable", async () => {
  const unix = join(mkdtempSync(join(tmpdir(), "engine-")), "docker.sock");
  writeFileSync(unix, "");
  const transport = createTransport({ text: `unix://${unix}`, origin: "http://docker", unix });
  await expect(transport.ping()).rejects.toMatchObject({
    code: "docker",
    message: expect.stringContaining("connection refused"),
  });
});

test("something on the socket that is not Docker is said so", async () => {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
  try {
    const transport = createTransport(dockerHost({ DOCKER_HOST: `tcp://127.0.0.1:${server.port}` }));
    await expect(transport.ping()).rejects.toThrow("this is not Docker");
  } finally {
    await server.stop(true);
  }
});

test("an engine that does not answer is given up at the call's own deadline", async () => {
  await using engine = fakeEngine(() => new Promise<Response>(() => undefined));
  await expect(createTransport(engine.host).send({ ...LIST, deadlineMs: 50 })).rejects.toMatchObject({
    code: "docker",
    message: "Docker did not answer GET /containers/json within 0.05 s",
  });
});

test("an answer that stops in its middle is given up at the deadline too", async () => {
  await using engine = fakeEngine(() => pieces(["[{"], "hang"));
  const sending = createTransport(engine.host).send({ ...LIST, deadlineMs: 100 });
  await expect(sending).rejects.toThrow("Docker did not answer GET /containers/json within 0.1 s");
});

test("the deadline of an opened answer ends with its headers", async () => {
  await using engine = fakeEngine(() => pieces(Array.from({ length: 100 }, () => "x")));
  const response = await createTransport(engine.host).open({ ...LIST, deadlineMs: 400 });
  expect(await response.text()).toBe("x".repeat(100));
});

test("an answer that is cut off is an error, never a short answer", async () => {
  await using engine = fakeEngine(() => pieces(["[{"], "cut"));
  await expect(createTransport(engine.host).send(LIST)).rejects.toThrow(
    "the answer to GET /containers/json was cut short",
  );
});

test("the caller's signal ends a call with the signal's reason, before it begins and under way", async () => {
  await using engine = fakeEngine(() => new Promise<Response>(() => undefined));
  const transport = createTransport(engine.host);
  const reason = new Error("stopped by the caller");
  await expect(transport.send({ ...LIST, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(engine.requests).toEqual([]);

  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 30);
  await expect(transport.send({ ...LIST, signal: controller.signal })).rejects.toBe(reason);
});

test("a redirect is refused: it would lead from the socket to another host", async () => {
  let isReached = false;
  const elsewhere = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch() {
      isReached = true;
      return new Response("elsewhere");
    },
  });
  try {
    await using engine = fakeEngine(() => Response.redirect(elsewhere.url.href, 302));
    await expect(createTransport(engine.host).send(LIST)).rejects.toMatchObject({ code: "docker" });
    expect(isReached).toBe(false);
  } finally {
    await elsewhere.stop(true);
  }
});

test("a compressed answer is not unfolded", async () => {
  const bomb = gzipSync(Buffer.alloc(1024 * 1024, "x"));
  await using engine = fakeEngine(() => new Response(bomb, { headers: { "content-encoding": "gzip" } }));
  const answer = await createTransport(engine.host).send(LIST);
  expect(answer.text.length).toBeLessThan(10_000);
});

test("an answer without end is given up instead of kept in memory", async () => {
  const megabyte = new Uint8Array(1024 * 1024).fill(32);
  let sent = 0;
  await using engine = fakeEngine(
    () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 1;
            controller.enqueue(megabyte);
          },
        }),
      ),
  );
  const sending = createTransport(engine.host).send({ ...LIST, deadlineMs: 20_000 });
  await expect(sending).rejects.toThrow("Docker's answer to GET /containers/json is too large");
  expect(sent).toBeLessThan(200);
});

test("an engine on TCP is reached directly, whatever proxy the environment names", async () => {
  const proxy = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("proxied") });
  const engine = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("OK", { headers: { "api-version": "1.41" } }),
  });
  const before = process.env["HTTP_PROXY"];
  process.env["HTTP_PROXY"] = proxy.url.href;
  try {
    const transport = createTransport(dockerHost({ DOCKER_HOST: `tcp://127.0.0.1:${engine.port}` }));
    expect(await transport.send(LIST)).toEqual({ status: 200, text: "OK" });
  } finally {
    if (before === undefined) delete process.env["HTTP_PROXY"];
    else process.env["HTTP_PROXY"] = before;
    await Promise.all([engine.stop(true), proxy.stop(true)]);
  }
});

test("a connection closed without an answer is an error", async () => {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const unix = join(folder, "docker.sock");
  const server = createServer((socket) => socket.once("data", () => socket.destroy())).listen(unix);
  const transport = createTransport({ text: `unix://${unix}`, origin: "http://docker", unix });
  await expect(transport.ping()).rejects.toMatchObject({ code: "docker" });
  server.close();
});

test("an engine that is stopping, which takes no new connections, is asked over an old one, but told nothing, and no ping comes through", async () => {
  const unix = join(mkdtempSync(join(tmpdir(), "engine-")), "docker.sock");
  const seen: string[] = [];
  const connections: Socket[] = [];
  const server = createServer((connection) => {
    connections.push(connection);
    connection.on("data", (data) => {
      const [method = "", path = ""] = data.toString().split(" ");
      seen.push(`${method} ${path}`);
      const head =
        "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\nContent-Length: 2";
      connection.write(`${head}\r\n\r\n[]`);
    });
    connection.on("error", () => connection.destroy());
  });
  await new Promise<void>((resolve) => server.listen(unix, resolve));
  const transport = createTransport({ text: `unix://${unix}`, origin: "http://docker", unix });
  await transport.send(LIST);
  server.close();
  const stopping = { method: "POST", path: "/containers/a/start", deadlineMs: 2_000 } as const;
  expect((await transport.send(LIST)).status).toBe(200);
  await expect(transport.ping()).rejects.toMatchObject({ code: "docker" });
  await expect(transport.send(stopping)).rejects.toMatchObject({ code: "docker" });
  expect(seen).toEqual(["GET /_ping", "GET /v1.41/containers/json", "GET /v1.41/containers/json"]);
  // Left open, it slows down whatever the same process tests next.
  for (const connection of connections) connection.destroy();
});
