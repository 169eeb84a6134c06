import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";

import { outcomeOf } from "../../test/fakes/deployment.ts";
import { AUTHORIZED, fakeDaemon, GOOD_TOKEN } from "./fake-daemon.ts";
import { serve, type Server } from "./serve.ts";

const SUCCESS = outcomeOf("succeeded");
const LOOPBACK = { port: 0, bindAddress: "127.0.0.1" };

let server: Server | undefined;
afterEach(async () => {
  await server?.stop(0);
  server = undefined;
});

function start(changes: Parameters<typeof fakeDaemon>[0] = {}) {
  const fake = fakeDaemon(changes);
  server = serve(fake.daemon, LOOPBACK);
  return { ...fake, server };
}

/** A connection that sends bytes as they are, and what came back until it was closed or `deadlineMs` passed. */
function raw(port: number, text: string) {
  const socket: Socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from(text, "latin1")));
  let received = "";
  const begin = performance.now();
  const { promise: closedAfter, resolve } = Promise.withResolvers<number>();
  socket.on("data", (data) => (received += data.toString("latin1")));
  socket.on("error", () => {});
  socket.on("close", () => resolve(performance.now() - begin));
  const reply = async (deadlineMs = 2000) => {
    await Promise.race([closedAfter, Bun.sleep(deadlineMs)]);
    socket.destroy();
    return received;
  };
  return { socket, closedAfter, reply, received: () => received };
}

for (const host of ["", "\xff", "a/b", "a?b", "a#b", "a@b", "u:p@b", "a b", "a\\b", "{}"]) {
  test(`Host: ${JSON.stringify(host)} is 400, never another path`, async () => {
    const { server } = start();
    for (const path of ["/health", "/xx/health", "/?a"]) {
      const reply = await raw(
        server.port,
        `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      ).reply();
      expect(reply).toStartWith("HTTP/1.1 400 Bad Request\r\n");
      expect(reply).toContain("X-Request-Id: r");
      expect(reply).toEndWith("bad request\n");
    }
  });
}

test("HTTP/1.0 without a Host is 400 too", async () => {
  const { server } = start();
  expect(await raw(server.port, "GET /xx/health HTTP/1.0\r\n\r\n").reply()).toStartWith("HTTP/1.1 400 ");
});

test("the name of another host changes nothing about the path", async () => {
  const { server } = start();
  const reply = (target: string) =>
    raw(server.port, `GET ${target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`).reply();
  expect(await reply("/health")).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(await reply("http://other.example/health")).toStartWith("HTTP/1.1 200 OK\r\n");
  expect(await reply("//other.example/health")).toStartWith("HTTP/1.1 404 ");
  expect(await reply("/xx/health")).toStartWith("HTTP/1.1 404 ");
});

test("HEAD answers as GET does, without the body, and the connection goes on", async () => {
  const { server } = start();
  const head = "HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n";
  const get = "GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const reply = await raw(server.port, head + get).reply();
  expect(reply.match(/HTTP\/1\.1 200 OK/g)?.length).toBe(2);
  expect(reply).not.toContain("deployer healthy");
  expect(reply).toEndWith("\r\n\r\nv1.2.3\n");
});

test("a fault outside the handlers is a plain 500 without source code", async () => {
  let failing = true;
  const { server, lines } = start({
    newRequestId: () => {
      if (!failing) return "r1";
      failing = false;
      throw new Error("secret detail");
    },
  });
  const reply = await raw(server.port, "GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n").reply();
  expect(reply).toStartWith("HTTP/1.1 500 ");
  expect(reply).toEndWith("\r\n\r\ninternal error\n");
  expect(lines).toMatchObject([{ level: "error", message: "request failed outside its handler" }]);
});

test("the port can be taken again at once after a stop with connections open", async () => {
  const { server: first, daemon } = start();
  const open = raw(first.port, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  while (open.received() === "") await Bun.sleep(5);
  await first.stop(100);
  server = serve(daemon, { port: first.port, bindAddress: "127.0.0.1" });
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  open.socket.destroy();
});

test("2 MB with a token is 413 in our words and the connection goes on", async () => {
  const { server, calls } = start();
  const body = `{"service":"web","x":"${"x".repeat(2_000_000)}"}`;
  const head = `POST /deploy HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${GOOD_TOKEN}\r\n`;
  const next = "GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const reply = await raw(server.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}${next}`).reply();
  expect(reply).toStartWith("HTTP/1.1 413 ");
  expect(reply).toContain("request body larger than 64 KiB\n");
  expect(reply).toEndWith("\r\n\r\nv1.2.3\n");
  expect(calls).toEqual(["verify"]);
});

test("a chunked body is read up to the limit, and refused beyond it", async () => {
  const { server, calls } = start();
  const send = async (size: number) => {
    const text = `{"service":"web","x":"${"x".repeat(size)}"}`;
    const body = new Blob([text]).stream();
    return await fetch(`${server.url}/deploy`, { method: "POST", headers: AUTHORIZED, body });
  };
  expect((await send(100)).status).toBe(200);
  expect((await send(1_000_000)).status).toBe(413);
  expect(calls).toEqual(["verify", "submit", "verify"]);
});

test("20 MB bodies, with and without a token, cost neither the daemon nor much memory", async () => {
  const { server } = start();
  const before = process.memoryUsage.rss();
  const body = Buffer.alloc(20_000_000, "x");
  const post = async (headers: Record<string, string>) => {
    const response = await fetch(`${server.url}/deploy`, { method: "POST", headers, body }).catch(
      () => undefined,
    );
    return response?.status ?? "closed";
  };
  const statuses = new Set(
    await Promise.all([...Array(10)].map((_, index) => post(index % 2 === 0 ? AUTHORIZED : {}))),
  );
  expect([...statuses].every((status) => status === 413 || status === "closed")).toBe(true);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(process.memoryUsage.rss() - before).toBeLessThan(300_000_000);
});

test("the address of the caller is in the log, whatever X-Forwarded-For says", async () => {
  const { server, lines } = start();
  await fetch(`${server.url}/version`, { headers: { "X-Forwarded-For": "203.0.113.9" } });
  expect(lines[0]?.fields["remote"]).toBe("127.0.0.1");
});

test("a caller that goes away leaves its deployment alone", async () => {
  const { server, lines, deployments } = start({ outcome: undefined });
  const controller = new AbortController();
  const body = '{"service":"web"}';
  const request = fetch(`${server.url}/deploy`, {
    method: "POST",
    headers: AUTHORIZED,
    body,
    signal: controller.signal,
  });
  while (deployments.size === 0) await Bun.sleep(5);
  controller.abort();
  await request.catch(() => {});
  while (lines.length === 0) await Bun.sleep(5);
  expect(lines[0]).toMatchObject({ level: "info", fields: { status: 499 } });
  expect(deployments.get("d1")?.status).toBe("running");
});

test("a deployment may take longer than an idle connection, slow headers may not, and nobody else notices", async () => {
  const { server, endDeployment } = start({ outcome: undefined });
  const body = '{"service":"web"}';
  const head = `POST /deploy HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${GOOD_TOKEN}\r\n`;
  const caller = raw(server.port, `${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  const answered = raw(server.port, `${head}Prefer: wait=1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const slow = [...Array(50)].map(() => raw(server.port, "GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: "));
  const stopAt = performance.now() + 14_000;
  while (performance.now() < stopAt) {
    const begin = performance.now();
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(performance.now() - begin).toBeLessThan(1000);
    await Bun.sleep(500);
  }
  for (const connection of slow) expect(await connection.closedAfter).toBeLessThan(14_000);
  endDeployment(SUCCESS);
  while (!caller.received().endsWith("service web\n")) await Bun.sleep(20);
  // A connection that waited has the usual idle time again after its answer.
  expect(answered.received()).toStartWith("HTTP/1.1 202 ");
  expect(await answered.closedAfter).toBeLessThan(14_000);
}, 30_000);

test("stop lets a running request end, and refuses new ones meanwhile", async () => {
  const { server, endDeployment, deployments } = start({ outcome: undefined });
  const reply = fetch(`${server.url}/deploy`, {
    method: "POST",
    headers: AUTHORIZED,
    body: '{"service":"web"}',
  });
  while (deployments.size === 0) await Bun.sleep(5);
  const stopped = server.stop(5000);
  expect(fetch(`${server.url}/health`)).rejects.toThrow("ECONNREFUSED");
  endDeployment(SUCCESS);
  expect(await (await reply).text()).toBe("deploy request successful for service web\n");
  await stopped;
});

test("stop cuts what is left after its deadline, also a half-sent header", async () => {
  const { server, deployments } = start({ outcome: undefined });
  const reply = fetch(`${server.url}/deploy`, {
    method: "POST",
    headers: AUTHORIZED,
    body: '{"service":"web"}',
  });
  const cut = reply.then(
    () => "answered",
    () => "cut",
  );
  const half = raw(server.port, "GET /health HTT");
  while (deployments.size === 0) await Bun.sleep(5);
  const begin = performance.now();
  await server.stop(200);
  expect(performance.now() - begin).toBeLessThan(2000);
  expect(await cut).toBe("cut");
  half.socket.destroy();
});

test("an address that cannot be taken is one clear config error", () => {
  const { daemon, server } = start();
  const error = (message: string) => expect.objectContaining({ code: "config", message });
  expect(() => serve(daemon, { port: server.port, bindAddress: "127.0.0.1" })).toThrow(
    error(`cannot listen on 127.0.0.1:${server.port}: the port is already in use`),
  );
  expect(() => serve(daemon, { port: 0, bindAddress: "203.0.113.9" })).toThrow(
    error("cannot listen on 203.0.113.9:0: this host does not have that address"),
  );
});

test("without a bind address it listens on IPv4 and IPv6", async () => {
  const { daemon } = fakeDaemon();
  server = serve(daemon, { port: 0, bindAddress: undefined });
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  expect((await fetch(`http://127.0.0.1:${server.port}/health`)).status).toBe(200);
  expect((await fetch(`http://[::1]:${server.port}/health`)).status).toBe(200);
});
