import { expect, test } from "bun:test";

import { createClient, type Following } from "./client.ts";
import { followToEnd } from "./follow.ts";
import { overUrl } from "./over-url.ts";
import type { Patience } from "./patience.ts";
import type { RequestLine } from "./transport.ts";

const ENDED = {
  id: "d1",
  kind: "deploy",
  to: null,
  services: [{ service: "web", image: null, digest: null }],
  status: "succeeded",
  reason: "",
  changed: true,
  created_at: "2026-11-23T12:00:00.000Z",
  started_at: null,
  ended_at: "2026-11-23T12:00:05.000Z",
};
const NOW = Date.parse("2026-11-23T12:00:00Z");

type Sent = { line: string; headers: Record<string, string>; body: string };

/** A daemon that gives these answers, one after the other; an error is a connection that fails so. */
function scene(answers: readonly (Response | Error)[]) {
  const sent: Sent[] = [];
  const signed: RequestLine[] = [];
  const said: string[] = [];
  let now = NOW;
  const patience: Patience = {
    now: () => now,
    sleep: async (milliseconds) => void (now += milliseconds),
    say: (text) => said.push(text),
  };
  const transport = overUrl({
    url: "https://deploy.example.com",
    authorise: async (line) => `token-${signed.push(line)}`,
    fetch: async (url, { method = "", headers, body }) => {
      const answer = answers[sent.length] ?? new Error("no more answers");
      sent.push({
        line: `${method} ${url}`,
        headers: Object.fromEntries(new Headers(headers)),
        body: typeof body === "string" ? body : "",
      });
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { client: createClient(transport, patience), patience, sent, signed, said };
}

const failed = (code: string) => Object.assign(new Error(code), { code });

function story(...parts: string[]): Response {
  return new Response(parts.join(""), {
    headers: { "Deployer-Deployment": "d1", "Deployer-Read": "read-key" },
  });
}

function event(seq: number): string {
  const event = { seq, at: "2026-11-23T12:00:00.000Z", phase: "log", level: "info", text: `event ${seq}` };
  return `id: ${seq}\nevent: log\ndata: ${JSON.stringify(event)}\n\n`;
}

const done = `event: done\ndata: ${JSON.stringify(ENDED)}\n\n`;

function refused(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: { code, message: code } }, { status, headers });
}

/** Read to its end: what is not read is waited for. */
async function deployed({ client, patience }: ReturnType<typeof scene>): Promise<Following> {
  const following = await client.deploy({ services: ["web"] });
  await followToEnd(following, client, { event: () => undefined }, patience);
  return following;
}

test("a token is made for the very request that is sent", async () => {
  const { client, patience, sent, signed } = scene([story(done)]);
  const following = await client.deploy({ services: ["web"], image: "shop/web:v2" });
  await followToEnd(following, client, { event: () => undefined }, patience);
  expect(signed).toEqual([{ method: "POST", target: "/deploy", body: sent[0]?.body ?? "" }]);
  expect(sent[0]).toMatchObject({
    line: "POST https://deploy.example.com/deploy",
    headers: { authorization: "Bearer token-1", "accept-encoding": "identity" },
  });
  expect(JSON.parse(sent[0]?.body ?? "")).toEqual({ services: ["web"], image: "shop/web:v2" });
});

test("a query is a part of what is signed", async () => {
  const { client, signed, sent } = scene([Response.json({ deployments: [], next: null })]);
  await client.deployments({ service: "a b", limit: 3 });
  expect(signed).toEqual([{ method: "GET", target: "/deployments?limit=3&service=a+b" }]);
  expect(sent[0]?.line).toBe("GET https://deploy.example.com/deployments?limit=3&service=a+b");
});

test.each<[string, Response | Error]>([
  ["a connection that was reset", failed("ECONNRESET")],
  [
    "a connection that was reset, as Node tells it",
    new TypeError("fetch failed", { cause: failed("UND_ERR_SOCKET") }),
  ],
  ["a proxy without the daemon", new Response("<html>", { status: 502 })],
  ["a daemon that stops", refused(503, "shutting_down", { "Retry-After": "3" })],
  ["a full queue", refused(429, "queue_full", { "Retry-After": "30" })],
])("%s: the same bytes are sent again with the same token and key", async (_, failure) => {
  const { client, patience, sent, signed } = scene([failure, story(event(1), done)]);
  const following = await client.deploy({ services: ["web"] });
  expect(await followToEnd(following, client, { event: () => undefined }, patience)).toMatchObject({
    id: "d1",
  });
  expect(signed).toHaveLength(1);
  expect(sent).toHaveLength(2);
  expect(sent[1]).toEqual(sent[0] as Sent);
  expect(sent[0]?.headers["idempotency-key"]).toMatch(/^[\w-]{36}$/);
});

test("the next request has another key", async () => {
  const daemon = scene([story(done), story(done)]);
  const { sent } = daemon;
  await deployed(daemon);
  await deployed(daemon);
  expect(sent[0]?.headers["idempotency-key"]).not.toBe(sent[1]?.headers["idempotency-key"] ?? "");
});

test("a stream that is cut is taken up at once with the key of the deployment, and nothing is said of it", async () => {
  const { client, patience, sent, signed, said } = scene([
    story(event(1), event(2)),
    new Response(event(3)),
    new Response(done),
  ]);
  const told: number[] = [];
  const following = await client.deploy({ services: ["web"] });
  await followToEnd(following, client, { event: ({ seq }) => told.push(seq) }, patience);
  expect([told, signed.length, said]).toEqual([[1, 2, 3], 1, []]);
  expect(
    sent.slice(1).map(({ line, headers }) => [line, headers["authorization"], headers["last-event-id"]]),
  ).toEqual([
    ["GET https://deploy.example.com/deployments/d1/events", "Bearer read-key", "2"],
    ["GET https://deploy.example.com/deployments/d1/events", "Bearer read-key", "3"],
  ]);
});

test("while the daemon is away, by itself or behind a proxy, it is waited for, and that is said once", async () => {
  const { client, patience, said } = scene([
    story(event(1)),
    failed("ECONNREFUSED"),
    new Response("bad gateway", { status: 502 }),
    refused(503, "shutting_down"),
    story(done),
  ]);
  const following = await client.deploy({ services: ["web"] });
  expect(await followToEnd(following, client, { event: () => undefined }, patience)).toMatchObject({
    status: "succeeded",
  });
  expect(said).toEqual(["the daemon went away; the deployment goes on when it is back"]);
});

test("what is told of a pull comes beside the events", async () => {
  const progress = { image: "web:v2", downloaded_bytes: 1, total_bytes: 2, layers: 1, layers_done: 0 };
  const { client, patience } = scene([
    story(event(1), `event: progress\ndata: ${JSON.stringify(progress)}\n\n`, done),
  ]);
  const told: unknown[] = [];
  const listener = { event: () => undefined, progress: (each: unknown) => told.push(each) };
  await followToEnd(await client.deploy({ services: ["web"] }), client, listener, patience);
  expect(told).toEqual([progress]);
});

test.each<[what: string, answer: Response | Error, code: string, message: RegExp]>([
  [
    "a token that is not accepted",
    refused(401, "unauthorized", { Date: new Date(NOW).toUTCString() }),
    "unauthorized",
    /does not accept the token: is the key one of its own.*rejected" on its host does/,
  ],
  [
    "a clock that is ahead",
    refused(401, "unauthorized", { Date: new Date(NOW - 240_000).toUTCString() }),
    "unauthorized",
    /the clock of this machine is 240 s ahead of its own/,
  ],
  [
    "a clock that is behind",
    refused(401, "unauthorized", { Date: new Date(NOW + 90_000).toUTCString() }),
    "unauthorized",
    /the clock of this machine is 90 s behind its own/,
  ],
  ["a rule that does not cover it", refused(403, "forbidden"), "forbidden", /its rules do not allow this/],
  ["an older run", refused(409, "superseded"), "superseded", /superseded/],
  [
    "a redirect",
    new Response(null, { status: 308, headers: { Location: "https://elsewhere.example/deploy" } }),
    "unreachable",
    /sends its callers on to "https:\/\/elsewhere\.example\/deploy"/,
  ],
  ["another server", new Response("<html>"), "unreachable", /HTTP 200 .* not the daemon's answer/],
  ["an unknown name", failed("ENOTFOUND"), "unreachable", /nobody knows the name deploy\.example\.com/],
  ["a private authority", failed("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "unreachable", /--ca FILE/],
  ["a self-signed certificate", failed("DEPTH_ZERO_SELF_SIGNED_CERT"), "unreachable", /--ca FILE/],
  [
    "another name",
    failed("ERR_TLS_CERT_ALTNAME_INVALID"),
    "unreachable",
    /not for the name deploy\.example\.com/,
  ],
  ["an old certificate", failed("CERT_HAS_EXPIRED"), "unreachable", /has expired; renew it/],
  ["a port without TLS", failed("EPROTO"), "unreachable", /does not speak TLS on this port/],
  [
    "a port without TLS, as Node tells it",
    new TypeError("fetch failed", { cause: failed("ERR_SSL_WRONG_VERSION_NUMBER") }),
    "unreachable",
    /does not speak TLS on this port/,
  ],
])("%s is told at once, with what to do", async (_, answer, code, message) => {
  const { client, sent } = scene([answer]);
  await expect(client.deploy({ services: ["web"] })).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
  expect(sent).toHaveLength(1);
});

test("a token goes where it is for, and not where that sends its callers", async () => {
  let strayed = 0;
  await using elsewhere = Bun.serve({ port: 0, fetch: () => new Response(`${(strayed += 1)}`) });
  await using daemon = Bun.serve({ port: 0, fetch: () => Response.redirect(elsewhere.url.href, 307) });
  const patience: Patience = { now: Date.now, sleep: Bun.sleep, say: () => undefined };
  const transport = overUrl({ url: daemon.url.origin, authorise: async () => "token" });
  const client = createClient(transport, patience);
  await expect(client.deploy({ services: ["web"] })).rejects.toThrow("sends its callers on to");
  await expect(client.services()).rejects.toThrow("sends its callers on to");
  expect(strayed).toBe(0);
});

test("no complaint holds a token or a read key", async () => {
  const { client } = scene([refused(401, "unauthorized"), failed("ENOTFOUND"), new Response("x")]);
  for (let n = 0; n < 3; n += 1) {
    const error: unknown = await client.deploy({ services: ["web"] }).catch((error: unknown) => error);
    expect(Bun.inspect(error)).not.toMatch(/token-\d/);
  }
  const following = await deployed(scene([story(done)]));
  expect(Bun.inspect(following)).not.toContain("read-key");
});
