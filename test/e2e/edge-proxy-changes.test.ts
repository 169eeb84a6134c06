import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import { EVERYTHING, frontage, startContainer, to } from "../support/edge-scene.ts";
import { freePort } from "../support/free-port.ts";
import { startHaproxyStage } from "../support/haproxy-process.ts";
import { connect as connectRaw } from "../support/raw-http.ts";
import { startLoad } from "../support/load.ts";
import { createTestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 200;
const SOME_TIME = 500;
const HOST = "shop.example.com";

test("routes change under load without a lost request, and a WebSocket of before goes on and is counted", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("web1"));
  using socket = await openSocket(port);
  await using load = await startLoad({ port, perSecond: PER_SECOND, service: "web" });

  for (const path of ["/a", "/b", "/c"]) {
    await edge.apply(frontage(port, { web: [EVERYTHING], api: [{ host: undefined, path }] }));
    // Not on a kept connection of before.
    expect((await fetch(`http://127.0.0.1:${port}${path}`, { keepalive: false })).status).toBe(503);
    await Bun.sleep(SOME_TIME);
  }
  expect(await socket.ask("still there")).toBe("web1 still there");
  const result = await load.stop();
  expect(result.failures).toEqual([]);

  expect(await edge.drained("web", ["web1"], 300)).toBe(1);
  socket.close();
  expect(await edge.drained("web", ["web1"], 5_000)).toBe(0);
});

test.each([
  ["a reload", {}, "/api"],
  ["a newer image", { image: "newer" }, "/"],
])(
  "a kept connection of before %s gets its next answer from the container that serves by then",
  async (_what, settings, path) => {
    await using stage = await startHaproxyStage();
    const { edge } = stage;
    const port = freePort();
    await using old = startContainer(stage, "old");
    await using _new = startContainer(stage, "new");
    await edge.apply(frontage(port, { web: [EVERYTHING] }));
    await edge.direct("web", to("old"));
    await using kept = await connection(port);
    await using held = await connection(port);
    expect(await kept.get()).toContain("x-version: old");
    expect(await held.get()).toContain("x-version: old");

    await edge.apply(frontage(port, { web: [{ host: undefined, path }, EVERYTHING] }, settings));
    await edge.hold("web", { ms: 5_000, max: 10 });
    const waiting = held.get();
    await Bun.sleep(SOME_TIME);
    await edge.direct("web", to("new", "old"));
    await edge.direct("web", to("new"));
    expect(await edge.drained("web", ["old"], 5_000)).toBe(0);
    await old.kill();
    expect(await edge.release("web")).toEqual({ held: 1, refused: 0 });
    expect(await waiting).toContain("x-version: new");
    expect(await kept.get()).toContain("x-version: new");
  },
);

test("a newer image takes over under load without a lost request, and what the old one still has is counted", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("web1"));
  using socket = await openSocket(port);
  await using load = await startLoad({ port, perSecond: PER_SECOND, service: "web" });
  await Bun.sleep(SOME_TIME);
  await edge.apply(frontage(port, { web: [EVERYTHING] }, { image: "newer" }));
  await Bun.sleep(SOME_TIME);
  expect((await load.stop()).failures).toEqual([]);
  expect(await socket.ask("still there")).toBe("web1 still there");
  expect(await edge.drained("web", ["web1"], 300)).toBe(1);
  socket.close();
  expect(await edge.drained("web", ["web1"], 5_000)).toBe(0);
});

test("a daemon killed before it has written down which proxy took over tells that one, not the one that goes", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _old = startContainer(stage, "old");
  await using _new = startContainer(stage, "new");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  using socket = await openSocket(port);
  const state = join(stage.folder, "state.json");
  const { runDir, earlier } = JSON.parse(readFileSync(state, "utf8")) as Record<string, unknown>;
  await edge.apply(frontage(port, { web: [EVERYTHING] }, { image: "newer" }));
  const now = JSON.parse(readFileSync(state, "utf8")) as Record<string, unknown>;
  writeFileSync(state, JSON.stringify({ ...now, runDir, earlier }));

  const next = stage.anotherDaemon();
  await next.rejoin();
  await next.direct("web", to("new"));
  const reply = await fetch(`http://127.0.0.1:${port}/`, { keepalive: false });
  expect(await reply.text()).toBe("new");
  expect(await socket.ask("still there")).toBe("old still there");
  expect(await next.drained("web", ["old"], 300)).toBe(1);

  await next.hold("web", { ms: 60_000, max: 10 });
  const route = { host: undefined, path: "/new" };
  const applied = next.apply(frontage(port, { web: [EVERYTHING, route] }, { image: "newer" }));
  // That waits for the end of the hold, and whoever is to end it does not wait for that.
  await next.rejoin();
  await next.release("web");
  await applied;
});

test("a renewed certificate is taken up under load without a lost request; an unusable one leaves the old one", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  using ca = await createTestCa();
  const [http, https] = [freePort(), freePort()];
  const certs = mkdtempSync(join(tmpdir(), "dstest-certs-"));
  const live = join(certs, HOST);
  const put = async () => {
    const { certificate, key } = await ca.issue(HOST);
    mkdirSync(live, { recursive: true });
    writeFileSync(join(live, "fullchain.pem"), certificate + ca.certificate);
    writeFileSync(join(live, "chain.pem"), ca.certificate);
    writeFileSync(join(live, "cert.pem"), certificate);
    writeFileSync(join(live, "privkey.pem"), key);
  };
  await put();
  const wanted = frontage(http, { web: [EVERYTHING] }, { https, certs });
  await using _web = startContainer(stage, "web1");
  await edge.apply(wanted);
  await edge.direct("web", to("web1"));
  expect(edge.certificatesChanged()).toBe(false);
  const first = await servedCertificate(https);
  await using load = await startLoad({ port: https, host: HOST, ca: ca.certificate, perSecond: 100 });
  await Bun.sleep(SOME_TIME);

  await put();
  expect(edge.certificatesChanged()).toBe(true);
  await edge.apply(wanted);
  expect(edge.certificatesChanged()).toBe(false);
  const second = await servedCertificate(https);
  expect(second).not.toBe(first);

  writeFileSync(join(live, "privkey.pem"), (await ca.issue(HOST)).key);
  await edge.apply(wanted);
  expect(await servedCertificate(https)).toBe(second);
  expect(stage.warnings.join("\n")).toContain("is a certificate without its key");
  await Bun.sleep(SOME_TIME);
  expect((await load.stop()).failures).toEqual([]);

  const folders = readdirSync(join(stage.folder, "certs"));
  expect(folders.length).toBe(1);
  const [file = ""] = readdirSync(join(stage.folder, "certs", folders[0] ?? ""));
  const path = join(stage.folder, "certs", folders[0] ?? "", file);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(stage.folder, "certs")).mode & 0o777).toBe(0o700);
  rmSync(certs, { recursive: true });
});

test("what cannot be used is refused by name, and what runs is untouched", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  const wanted = frontage(port, { web: [EVERYTHING] });
  await edge.apply(wanted);
  await edge.direct("web", to("web1"));
  const running = await stage.ask("show info");

  using taken = Bun.listen({ hostname: "0.0.0.0", port: freePort(), socket: { data() {} } });
  await expect(edge.apply(frontage(taken.port, { web: [EVERYTHING] }))).rejects.toThrow(
    `x-deployer.edge.http: port ${taken.port} of this host is taken by another program`,
  );
  const certs = mkdtempSync(join(tmpdir(), "dstest-certs-"));
  using ca = await createTestCa();
  writeFileSync(join(certs, "shop.pem"), (await ca.issue(HOST)).certificate);
  const secure = frontage(port, { web: [EVERYTHING] }, { https: freePort(), certs });
  await expect(edge.apply(secure)).rejects.toThrow(
    `${join(certs, "shop.pem")} is a certificate without its key: put the key into it, or beside it as a file of its own`,
  );
  rmSync(certs, { recursive: true });
  const noFolder = frontage(port, { web: [EVERYTHING] }, { challenges: "/nonexistent/acme" });
  await expect(edge.apply(noFolder)).rejects.toThrow(
    "x-deployer.edge.acme_challenges: there is no folder /nonexistent/acme",
  );
  const hostile = frontage(port, { web: [{ host: undefined, path: "/a }\n  use_backend x" }] });
  await expect(edge.apply(hostile)).rejects.toThrow("cannot be written into the edge's configuration");

  expect(await edge.problem()).toBeUndefined();
  expect(edge.isRouted("web")).toBe(true);
  expect(pidOf(await stage.ask("show info"))).toBe(pidOf(running));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("web1");
});

test("what is so already is left alone, and without a wish the proxy goes", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  const wanted = frontage(port, { web: [EVERYTHING] });
  await edge.apply(wanted);
  const running = pidOf(await stage.ask("show info"));
  await edge.apply(wanted);
  await stage.anotherDaemon().apply(wanted);
  expect(pidOf(await stage.ask("show info"))).toBe(running);

  await edge.apply(undefined);
  expect(edge.isRouted("web")).toBe(false);
  expect(await edge.problem()).toBeUndefined();
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
});

test("a state that cannot be read and a change that fails leave alone what serves", async () => {
  await using stage = await startHaproxyStage();
  const [port, taken] = [freePort(), freePort()];
  await using _web = startContainer(stage, "web1");
  await stage.edge.apply(frontage(port, { web: [EVERYTHING] }));
  await stage.edge.direct("web", to("web1"));
  const config = readFileSync(join(stage.folder, "haproxy.cfg"), "utf8");

  writeFileSync(join(stage.folder, "state.json"), "{");
  const next = stage.anotherDaemon();
  expect(next.frontage()).toBeUndefined();
  using _holder = Bun.listen({ hostname: "0.0.0.0", port: taken, socket: { data() {} } });
  await expect(next.apply(frontage(taken, { web: [EVERYTHING] }))).rejects.toThrow(
    `most likely something else has port ${taken} of this host`,
  );
  expect((await fetch(`http://127.0.0.1:${port}`, { keepalive: false })).status).toBe(200);
  // Also one that starts anew.
  expect(readFileSync(join(stage.folder, "haproxy.cfg"), "utf8")).toBe(config);
});

test("a dead proxy is a problem, and says so", async () => {
  await using stage = await startHaproxyStage();
  await stage.edge.apply(frontage(freePort(), { web: [EVERYTHING] }));
  expect(await stage.edge.problem()).toBeUndefined();
  await stage.killProxy();
  expect(await stage.edge.problem()).toContain("it does not run");
});

function pidOf(info: string): string | undefined {
  return /^Pid: (\d+)$/m.exec(info)?.[1];
}

async function openSocket(port: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
  const answers: string[] = [];
  let isCut = false;
  socket.addEventListener("message", ({ data }) => void answers.push(String(data)));
  socket.addEventListener("close", () => {
    isCut = true;
  });
  await waitFor("the WebSocket to open", 5_000, () => socket.readyState === WebSocket.OPEN);
  return {
    async ask(text: string) {
      if (isCut) throw new Error("the WebSocket was cut");
      socket.send(text);
      return await waitFor("an answer", 5_000, () => answers.shift());
    },
    close: () => socket.close(),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** A connection that is kept. */
async function connection(port: number) {
  const raw = await connectRaw(port);
  let seen = 0;
  return {
    async get(): Promise<string> {
      raw.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n");
      const answer = await waitFor("an answer", 10_000, () => {
        const text = raw.received().slice(seen).toLowerCase();
        return /\r\n\r\n\w/.test(text) && text;
      });
      seen += answer.length;
      return answer;
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  };
}

/** SHA-256 of what a new connection gets. */
async function servedCertificate(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ port, host: "127.0.0.1", servername: HOST, rejectUnauthorized: false }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.end();
  });
  socket.on("error", reject);
  return await promise;
}
