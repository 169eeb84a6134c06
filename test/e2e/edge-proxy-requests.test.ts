import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { APP_PORT, EVERYTHING, frontage, startContainer, to } from "../support/edge-scene.ts";
import { freePort } from "../support/free-port.ts";
import { type HaproxyStage, startHaproxyStage } from "../support/haproxy-process.ts";
import { startLoad } from "../support/load.ts";
import { ask, connect, parseReply } from "../support/raw-http.ts";
import { createTestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

const HOST = "shop.example.com";

test("the route that says more wins, hosts in any case and with a port, paths in whole segments", async () => {
  const daemonPort = freePort();
  await using _daemon = Bun.serve({
    hostname: "127.0.0.1",
    port: daemonPort,
    fetch: () => new Response("", { headers: { "X-Service": "daemon" } }),
  });
  await using stage = await startHaproxyStage(`127.0.0.1:${daemonPort}`);
  const { edge } = stage;
  const port = freePort();
  const services = ["exact", "api", "wild", "deep", "any"];
  await using apps = new AsyncDisposableStack();
  for (const service of services) apps.use(startContainer(stage, `${service}1`, service));
  await edge.apply(
    frontage(
      port,
      {
        any: [{ host: undefined, path: "/any" }],
        wild: [{ host: "*.example.com", path: "/" }],
        deep: [{ host: "*.eu.example.com", path: "/" }],
        exact: [{ host: HOST, path: "/" }],
        api: [{ host: HOST, path: "/api" }],
      },
      { webhook: { host: "hooks.example.com", path: "/deploy" } },
    ),
  );
  for (const service of services) await edge.direct(service, to(`${service}1`));

  for (const [host, path, service] of [
    [HOST, "/", "exact"],
    [`${HOST}:8080`, "/x?y", "exact"],
    ["SHOP.Example.COM.", "/", "exact"],
    [HOST, "/api", "api"],
    [HOST, "/api?x", "api"],
    [HOST, "/api/x", "api"],
    [HOST, "/apix", "exact"],
    [HOST, "/API", "exact"],
    ["other.example.com", "/api", "wild"],
    ["a.eu.example.com", "/", "deep"],
    ["example.com", "/any/x", "any"],
    ["evilexample.com", "/any", "any"],
    ["", "/any", "any"],
    ["hooks.example.com", "/deploy", "daemon"],
    ["hooks.example.com", "/deploys", "wild"],
  ] as const) {
    const reply = await ask(port, { method: "GET", target: path, headers: [["Host", host], CLOSE] });
    expect([host, path, reply.headers.get("x-service")]).toEqual([host, path, service]);
  }
  const nowhere = await ask(port, { method: "GET", target: "/", headers: [["Host", "x.org"], CLOSE] });
  expect([nowhere.status, nowhere.headers.get("content-type")]).toEqual([404, "text/plain"]);
});

test("a visitor cannot say where he comes from, in any spelling", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  await using app = startContainer(stage, "web1");
  await stage.edge.apply(frontage(port, { web: [EVERYTHING] }));
  await stage.edge.direct("web", to("web1"));
  const lies = [
    "X-Forwarded-For",
    "x_forwarded_for",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
  ];
  const headers = [...lies, "X-Forwarded", "Forwarded", "X-Real-IP"].map(
    (name) => [name, "6.6.6.6"] as const,
  );
  await ask(port, { method: "GET", target: "/", headers: [["Host", HOST], CLOSE, ...headers] });
  expect(JSON.stringify(app.headers)).not.toContain("6.6.6.6");
  expect(app.headers).toEqual([
    expect.objectContaining({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": HOST,
    }) as never,
  ]);
});

test("with https, http is redirected, all but ACME challenges, which come from their folder and from nowhere else", async () => {
  await using stage = await startHaproxyStage();
  using ca = await createTestCa();
  const [http, https] = [freePort(), freePort()];
  const folder = mkdtempSync(join(tmpdir(), "dstest-acme-"));
  const { certificate, key } = await ca.issue(HOST);
  writeFileSync(join(folder, "shop.pem"), certificate + key);
  // Where the proxy finds the folder of the challenges.
  const challenges = join(stage.folder, "../challenges");
  mkdirSync(challenges);
  writeFileSync(join(challenges, "token_-1"), "token_-1.thumbprint");
  writeFileSync(join(challenges, "..", "secret"), "secret");
  await using _web = startContainer(stage, "web1");
  await stage.edge.apply(frontage(http, { web: [EVERYTHING] }, { https, certs: folder, challenges }));
  await stage.edge.direct("web", to("web1"));
  const get = async (target: string, method = "GET") =>
    await ask(http, { method, target, headers: [["Host", `${HOST}:${http}`], CLOSE] });

  const redirect = await get("/a?b=c", "POST");
  expect(redirect.status).toBe(308);
  expect(redirect.headers.get("location")).toBe(`https://${HOST}:${https}/a?b=c`);
  const challenge = await get("/.well-known/acme-challenge/token_-1");
  expect([challenge.status, challenge.text]).toEqual([200, "token_-1.thumbprint"]);
  for (const name of ["none", "", "../secret", "..%2fsecret", "a/token_-1", "token_-1%00"]) {
    const reply = await get(`/.well-known/acme-challenge/${name}`);
    expect([name, reply.status]).toEqual([name, 404]);
  }
  const secure = await fetch(`https://127.0.0.1:${https}/`, {
    headers: { Host: HOST },
    tls: { ca: ca.certificate, serverName: HOST },
  });
  expect(await secure.text()).toBe("web1");
  rmSync(folder, { recursive: true });
});

test("requests wait while a service is held, up to its limits, and then go to the new container", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using old = startContainer(stage, "old");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  await using load = await startLoad({ port, perSecond: 100, slow: 0.02 });
  await Bun.sleep(300);

  await edge.hold("web", { ms: 10_000, max: 1_000 });
  expect(await edge.drained("web", ["old"], 5_000)).toBe(0);
  await old.kill();
  await Bun.sleep(700);
  await using _new = startContainer(stage, "new");
  await edge.direct("web", to("new"));
  const held = await edge.release("web");
  await Bun.sleep(300);
  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect(result.versions["new"]).toBeGreaterThan(50);
  expect(held.refused).toBe(0);
  expect(held.held).toBeGreaterThan(50);

  await edge.hold("web", { ms: 200, max: 2 });
  const statuses = await Promise.all(
    [1, 2, 3].map(async () => (await fetch(`http://127.0.0.1:${port}/`)).status),
  );
  expect(statuses).toEqual([503, 503, 503]);
  expect(await edge.release("web")).toEqual({ held: 0, refused: 3 });
  expect(await edge.release("web")).toEqual({ held: 0, refused: 0 });
  const log = await stage.ask("show events deploys");
  expect(log).toMatch(/^req web new\.3000 200 \d+ \d+ \d+ 0 -- held \d+$/m);
  expect(log).toMatch(/^req web <NOSRV> 503 -1 -1 -1 0 LR refused -$/m);
});

test("a thousand that wait do not overrun the container that they were waiting for", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using app = startContainer(stage, "web1");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("web1"));
  await edge.hold("web", { ms: 30_000, max: 1_000 });
  const waiting = Array.from({ length: 1_000 }, () => post(port, "/slow?ms=20"));
  await waitFor("all of them to wait", 20_000, async () => {
    const sessions = /^web,BACKEND,\d*,\d*,(\d+)/m.exec(await stage.ask("show stat"))?.[1];
    return sessions === "1000";
  });
  expect(app.requests).toEqual([]);
  expect(await edge.release("web")).toEqual({ held: 1_000, refused: 0 });
  expect((await Promise.all(waiting)).filter((outcome) => outcome !== "200")).toEqual([]);
});

test("those that have not left one hold yet wait in the next, and nothing of them comes to what is stopped by then", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  const old = startContainer(stage, "old");
  await using _new = startContainer(stage, "new");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { keepalive: false });

  // A service that has much to do gets those that waited in the rhythm they came in.
  const busy = Array.from({ length: 150 }, () => get("/slow?ms=6000"));
  await waitFor("the busy ones to be there", 5_000, () => old.requests.length === 150);
  await edge.hold("web", { ms: 20_000, max: 1_000 });
  await Bun.sleep(2_000);
  const late = Array.from({ length: 10 }, () => get("/"));
  await Bun.sleep(300);
  expect(await edge.release("web")).toEqual({ held: 10, refused: 0 });
  await edge.hold("web", { ms: 20_000, max: 1_000 });
  expect(await edge.drained("web", ["old"], 10_000)).toBe(0);
  await old.kill();
  await edge.direct("web", to("new"));
  expect(await edge.release("web")).toEqual({ held: 10, refused: 0 });

  expect(new Set((await Promise.all(busy)).map(({ status }) => status))).toEqual(new Set([200]));
  const answers = await Promise.all(late.map(async (each) => await (await each).text()));
  expect(new Set(answers)).toEqual(new Set(["new"]));
});

test("a configuration waits for the end of a hold", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("web1"));
  await edge.hold("web", { ms: 10_000, max: 10 });
  const waiting = fetch(`http://127.0.0.1:${port}/`);
  const applied = edge.apply(frontage(port, { web: [EVERYTHING], api: [{ host: undefined, path: "/api" }] }));
  await edge.direct("web", to("web1"));
  await Bun.sleep(500);
  expect(edge.isRouted("api")).toBe(false);
  expect((await edge.release("web")).held).toBe(1);
  expect(await (await waiting).text()).toBe("web1");
  await applied;
  expect(edge.isRouted("api")).toBe(true);
});

test("a request that a container read and did not answer is sent again when it may be, a POST never", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using rude = await startRude(stage, "rude");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("rude"));

  for (const method of ["POST", "PATCH"]) {
    const body = "x".repeat(100);
    expect((await ask(port, { method, target: "/", headers: [["Host", HOST], CLOSE], body })).status).toBe(
      502,
    );
    expect(rude.heads(method)).toBe(1);
  }
  await using _polite = startContainer(stage, "polite");
  await edge.direct("web", to(["rude", "polite"]));
  for (const method of ["GET", "GET", "PUT", "DELETE", "OPTIONS", "HEAD"]) {
    const reply = await ask(port, { method, target: "/", headers: [["Host", HOST], CLOSE] });
    expect([method, reply.status]).toEqual([method, 200]);
  }
  expect(rude.heads("GET") + rude.heads("PUT") + rude.heads("DELETE")).toBeGreaterThan(0);
});

test("with resend: all a POST is sent again too when it fits into the proxy's buffer, and those of others are not", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using rude = await startRude(stage, "rude");
  await using polite = startContainer(stage, "polite");
  const routes = { web: [EVERYTHING], api: [{ host: undefined, path: "/api" }] };
  /** Twice, for they take turns: one of the two at least comes to the rude one first. */
  const statusesOf = async (target: string, size: number, pauseMs = 0) => {
    const statuses: number[] = [];
    for (const _turn of [1, 2]) statuses.push(await postInParts(port, target, "x".repeat(size), pauseMs));
    return statuses.toSorted((a, b) => a - b);
  };
  await edge.apply(frontage(port, routes));
  for (const service of ["web", "api"]) await edge.direct(service, to(["rude", "polite"]));
  expect(await statusesOf("/", 1)).toEqual([200, 502]);

  await edge.apply(frontage(port, routes, {}, ["web"]));
  const [broken, answered] = [rude.heads("POST"), polite.requests.length];
  for (const size of [0, 1, 1_000, 14_000])
    expect([size, await statusesOf("/", size)]).toEqual([size, [200, 200]]);
  expect(await statusesOf("/", 1_000, 100)).toEqual([200, 200]);
  expect(rude.heads("POST") - broken).toBeGreaterThanOrEqual(5);
  expect(polite.requests.length - answered).toBe(10);
  expect(await statusesOf("/", 20_000)).toEqual([200, 502]);
  expect(await statusesOf("/api", 1)).toEqual([200, 502]);

  await edge.apply(frontage(port, routes));
  expect(await statusesOf("/", 1)).toEqual([200, 502]);
});

test("a POST on a kept connection is not lost when the container closes idle connections at once", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  await using _brief = await startBrief(stage, "brief");
  await stage.edge.apply(frontage(port, { web: [EVERYTHING] }));
  await stage.edge.direct("web", to("brief"));
  const failed: number[] = [];
  const end = Date.now() + 3_000;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (Date.now() < end) {
        const { status } = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "x" });
        if (status !== 200) failed.push(status);
        await Bun.sleep(18 + Math.random() * 4);
      }
    }),
  );
  expect(failed).toEqual([]);
});

const CLOSE = ["Connection", "close"] as const;

/** On a connection of its own. @returns the status, or what went wrong instead */
function post(port: number, path: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const sent = request({ host: "127.0.0.1", port, path, method: "POST", agent: false }, (answer) => {
    answer.resume();
    answer.on("end", () => resolve(String(answer.statusCode)));
  });
  sent.on("error", ({ message }) => resolve(message));
  sent.end("x");
  return promise;
}

/** The body so long after the head. @returns the status */
async function postInParts(port: number, target: string, body: string, pauseMs: number): Promise<number> {
  await using connection = await connect(port);
  const length = `Content-Length: ${body.length}`;
  connection.send(`POST ${target} HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n${length}\r\n\r\n`);
  if (pauseMs > 0) await Bun.sleep(pauseMs);
  connection.send(body);
  return parseReply(await connection.untilClosed()).status;
}

/** Reads each request and breaks the connection. */
async function startRude(stage: HaproxyStage, container: string) {
  const methods: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      methods.push(data.toString("latin1").split(" ")[0] ?? "");
      socket.destroy();
    });
  });
  await listen(server, stage.address(container));
  return {
    heads: (method: string) => methods.filter((one) => one === method).length,
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** Answers each request, and closes a connection that has been idle for 20 ms since. */
async function startBrief(stage: HaproxyStage, container: string) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("timeout", () => socket.destroy());
    socket.on("data", (data) => {
      if (!data.toString("latin1").startsWith("POST")) return;
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      socket.setTimeout(20);
    });
  });
  await listen(server, stage.address(container));
  return { [Symbol.asyncDispose]: () => close(server) };
}

async function listen(server: Server, address: string): Promise<void> {
  server.listen(APP_PORT, address);
  await waitFor("the server to listen", 5_000, () => server.listening);
}

async function close(server: Server): Promise<void> {
  server.close();
  await Promise.resolve();
}
