import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";

import { command } from "../support/command-line.ts";
import type { Reply } from "../support/daemon.ts";
import { deploymentIds, untilPhase } from "../support/deployment-record.ts";
import { freePort } from "../support/free-port.ts";
import { HOST, type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { routedService } from "../support/routed-service.ts";
import { waitUntilUp } from "../support/scene.ts";
import { createTestCa, type TestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

/** The daemon's own. */
const WEBHOOK = "deploy.example.com";
const NEW = "new.example.com";
/** Longer than any wait of the proxy's that it is not to be cut by: `timeout http-keep-alive` is 30 s. */
const LONG_WATCH_SECONDS = 31;
const TAKEN_UP_WITHIN_MS = 15_000;
const DEADLINE = 60_000;

const https = freePort();
const lies = { "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "evil" };

let ca: TestCa;
let scene: RoutedScene;
let file: string;
let long: Promise<Stream>;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  ca = cleanup.use(await createTestCa());
  const [shop, webhook] = [await ca.issue(HOST), await ca.issue(WEBHOOK)];
  scene = cleanup.use(
    await startRoutedScene({
      services: (image) =>
        routedService(image) +
        routedService(image, {
          name: "long",
          host: "long.example.com",
          settings: { watch: `${LONG_WATCH_SECONDS}s` },
        }),
      edge: `https: ${https}, certs: ./certs, acme_challenges: ./acme, webhook: { host: ${WEBHOOK} }`,
      files: {
        "certs/shop.pem": shop.certificate + shop.key,
        "certs/webhook.pem": webhook.certificate + webhook.key,
        "acme/token": "token.thumbprint",
      },
    }),
  );
  file = readFileSync(scene.project.file, "utf8");
  // It lasts as long as most of this file: whatever happens to the proxy meanwhile happens to it too.
  long = follow({ service: "long", image: await scene.publish("v1-long") });
}, DEADLINE);

afterAll(() => cleanup.disposeAsync());

/**
 * A request as a caller from elsewhere sends it, over TLS and through the proxy.
 * @param certified the name that the certificate has to have
 */
async function ask(
  host: string,
  path: string,
  init: RequestInit = {},
  certified: string = host,
): Promise<Response> {
  return await fetch(`https://127.0.0.1:${https}${path}`, {
    ...init,
    headers: { Host: host, ...(init.headers as Record<string, string>) },
    keepalive: false,
    signal: AbortSignal.timeout(DEADLINE),
    tls: { ca: ca.certificate, serverName: certified },
  });
}

async function authorization(): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await scene.daemon.token()}` };
}

function bodyOf(request: unknown): string {
  return Buffer.from(JSON.stringify(request)).toString("base64");
}

async function deploy(request: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const signed = { ...(await authorization()), ...headers };
  const reply = await ask(WEBHOOK, "/deploy", { method: "POST", headers: signed, body: bodyOf(request) });
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
}

/** All that came of an event stream, and how long it took. */
type Stream = { status: number; text: string; took: number };

async function follow(request: unknown): Promise<Stream> {
  const started = performance.now();
  const { status, text } = await deploy(request, { Accept: "text/event-stream" });
  return { status, text, took: performance.now() - started };
}

test(
  "a signed request over TLS deploys the service beside it, which is told where its visitors come from",
  async () => {
    const image = await scene.publish("v2");
    const reply = await deploy({ service: "web", image });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
    expect(await (await ask(HOST, "/")).text()).toBe("v2");
    const headers = await (await ask(HOST, "/headers", { headers: lies })).json();
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "https",
      "x-forwarded-host": HOST,
    });
    const unsigned = await ask(WEBHOOK, "/deploy", { method: "POST", body: bodyOf({ service: "web" }) });
    expect(unsigned.status).toBe(401);
    // Its ports are taken, by itself.
    const { exitCode, stdout } = await command(scene, "check");
    const found = `pass  edge: http on port ${scene.port}, https on port ${https}, in front of long, web\n`;
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(found)]);
  },
  DEADLINE,
);

test("without TLS both are redirected, method kept, and only ACME challenges are answered", async () => {
  const plain = async (host: string, path: string, method = "GET") =>
    await fetch(`http://127.0.0.1:${scene.port}${path}`, {
      method,
      headers: { Host: host },
      redirect: "manual",
    });
  for (const host of [HOST, WEBHOOK]) {
    const reply = await plain(host, "/deploy?a=b", "POST");
    expect([reply.status, reply.headers.get("Location")]).toEqual([
      308,
      `https://${host}:${https}/deploy?a=b`,
    ]);
  }
  const challenge = await plain(WEBHOOK, "/.well-known/acme-challenge/token");
  expect([challenge.status, await challenge.text()]).toEqual([200, "token.thumbprint"]);
});

test(
  "a deployment that changes the edge itself answers its caller, who waits at that edge, over HTTP/2 and over HTTP/1.1",
  async () => {
    const two = file.replace(`{ host: ${HOST} }`, `[{ host: ${HOST} }, { host: ${NEW} }]`);
    scene.project.write(two);
    const session = await openHttp2(WEBHOOK);
    const reply = await post(session, "/deploy", { service: "web", image: await scene.publish("v3") });
    expect(reply).toEqual({ status: 200, text: "deploy request successful for service web\n" });
    expect(await (await ask(NEW, "/", {}, HOST)).text()).toBe("v3");
    const shop = await openHttp2(HOST);
    expect(await get(shop, "/")).toEqual({ status: 200, text: "v3" });

    scene.project.write(file);
    const back = await deploy({ service: "web", image: await scene.publish("v4") });
    expect([back.status, back.text]).toEqual([200, "deploy request successful for service web\n"]);
    expect((await ask(NEW, "/", {}, HOST)).status).toBe(404);
    expect(await (await ask(HOST, "/")).text()).toBe("v4");
  },
  DEADLINE,
);

test(
  "a renewed certificate of the webhook is shown to its next caller",
  async () => {
    const serial = async () => {
      const session = await openHttp2(WEBHOOK);
      const { serialNumber } = (session.socket as TLSSocket).getPeerCertificate();
      session.close();
      return serialNumber;
    };
    const before = await serial();
    const renewed = await ca.issue(WEBHOOK);
    scene.project.writeFile("certs/webhook.pem", renewed.certificate + renewed.key);
    await waitFor("the new certificate", TAKEN_UP_WITHIN_MS, async () => (await serial()) !== before);
  },
  DEADLINE,
);

test(
  "the events of a deployment come through the proxy to their end, however long it is silent in between, and over its reloads",
  async () => {
    const { status, text, took } = await long;
    expect(status).toBe(200);
    expect(took).toBeGreaterThan(LONG_WATCH_SECONDS * 1000);
    expect(text.split(": heartbeat\n").length - 1).toBeGreaterThanOrEqual(2);
    expect(text).toMatch(/\nevent: done\ndata: \{.*"status":"succeeded".*\}\n\n$/);
  },
  DEADLINE,
);

test(
  "the daemon is killed while a caller waits: 502, 503 as long as it is away, and the end when it is asked again",
  async () => {
    const { daemon } = scene;
    const request = { service: "web", image: await scene.publish("v5") };
    const key = { "Idempotency-Key": crypto.randomUUID() };
    const waiting = deploy(request, key);
    const id = await waitFor("the deployment", TAKEN_UP_WITHIN_MS, async () => {
      const [newest] = await deploymentIds(daemon);
      return newest !== undefined && (await isOfImage(newest, request.image)) ? newest : undefined;
    });
    await untilPhase(daemon, id, "watching");
    await daemon.stop("SIGKILL");
    expect((await waiting).status).toBe(502);
    const away = await ask(WEBHOOK, `/deployments/${id}`, { headers: await authorization() });
    expect([away.status, away.headers.get("Retry-After")]).toEqual([503, "5"]);

    scene = { ...scene, daemon: cleanup.use(await daemon.startAgain()) };
    const again = await deploy(request, key);
    expect([again.status, again.headers.get("Deployer-Deployment")]).toEqual([200, id]);
    const asked = await ask(WEBHOOK, `/deployments/${id}`, { headers: await authorization() });
    expect(await asked.json()).toMatchObject({ id, status: "succeeded" });
    expect(await (await ask(HOST, "/")).text()).toBe("v5");
    await waitUntilUp(scene.daemon);
  },
  DEADLINE,
);

test(
  "a daemon that speaks HTTPS itself is reached all the same",
  async () => {
    const { certificate, key } = await ca.issue("127.0.0.1");
    const files = {
      TLS_CERT_FILE: join(scene.project.dir, "cert.pem"),
      TLS_KEY_FILE: join(scene.project.dir, "key.pem"),
    };
    writeFileSync(files.TLS_CERT_FILE, certificate);
    writeFileSync(files.TLS_KEY_FILE, key, { mode: 0o600 });
    expect(await scene.daemon.stop()).toBe(0);
    scene = { ...scene, daemon: cleanup.use(await scene.daemon.startAgain(files)) };
    expect(scene.daemon.url).toStartWith("https://");
    await waitUntilUp(scene.daemon);
    await waitFor("the daemon behind the edge", TAKEN_UP_WITHIN_MS, async () => {
      const answer = await ask(WEBHOOK, "/health");
      return answer.status === 200;
    });
  },
  DEADLINE,
);

async function isOfImage(id: string, image: string): Promise<boolean> {
  const reply = await scene.daemon.request("GET", `/deployments/${id}`, { headers: await authorization() });
  return reply.text.includes(image);
}

/** One connection, for which HTTP/2 was agreed on. */
async function openHttp2(host: string): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${https}`, { ca: ca.certificate, servername: host });
  cleanup.defer(() => session.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.on("connect", () => resolve()).on("error", reject);
  await promise;
  expect(session.alpnProtocol).toBe("h2");
  return session;
}

type Answer = { status: number; text: string };

async function get(session: ClientHttp2Session, path: string): Promise<Answer> {
  return await exchange(session, { ":path": path, ":authority": HOST });
}

async function post(session: ClientHttp2Session, path: string, request: unknown): Promise<Answer> {
  const headers = {
    ":method": "POST",
    ":path": path,
    ":authority": WEBHOOK,
    ...(await authorization()),
  };
  return await exchange(session, headers, bodyOf(request));
}

function exchange(
  session: ClientHttp2Session,
  headers: Record<string, string | undefined>,
  body?: string,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const answer: Answer = { status: 0, text: "" };
  const stream = session.request(headers);
  stream.setEncoding("utf8");
  stream
    .on("response", ({ ":status": status }) => void (answer.status = Number(status)))
    .on("data", (data) => void (answer.text += String(data)))
    .on("end", () => resolve(answer))
    .on("error", reject);
  stream.end(body);
  return promise;
}
