import { expect, test } from "bun:test";

import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { begin, end } from "../core/deployment.ts";
import type { Connection } from "./context.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, NO_NETWORK, readKeyOf } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

type Init = { method?: string; headers?: Record<string, string>; body?: string };

const STREAM = { ...AUTHORIZED, Accept: "text/event-stream" };
const RUNNING = begin(queued("d1", CREATED_AT), CREATED_AT + 1000);
const SUCCESS = outcomeOf("succeeded");
const ENDED = end(RUNNING, SUCCESS, CREATED_AT + 2000);
const DONE = `event: done\ndata: {"id":"d1","kind":"deploy","service":"web","image":null,"digest":null,"services":[{"service":"web","image":null,"digest":null,"from":null}],"to":null,"status":"succeeded","superseded_by":null,"reason":"","changed":true,"attempts":1,"created_at":"2026-11-23T12:00:00.000Z","started_at":"2026-11-23T12:00:01.000Z","ended_at":"2026-11-23T12:00:02.000Z","diagnosis":[]}\n\n`;
const GREETING = ": events of deployment d1\n\n";

function ask(
  fake: ReturnType<typeof fakeDaemon>,
  path: string,
  init: Init,
  connection: Connection = NO_NETWORK,
) {
  return createApp(fake.daemon).request(path, init, connection);
}

function ended(): ReturnType<typeof fakeDaemon> {
  const fake = fakeDaemon();
  fake.tell("d1", 'pulled "web:v2"');
  fake.tell("d1", "ended");
  fake.change(ENDED);
  return fake;
}

const message = (seq: number, text: string): string =>
  `id: ${seq}\nevent: log\ndata: {"seq":${seq},"at":"2026-11-23T12:00:00.000Z","phase":"log","level":"info","text":${JSON.stringify(text)}}\n\n`;

test("events are a JSON list unless a stream is asked for", async () => {
  for (const accept of ["*/*", "application/json", "application/json, text/event-stream;q=0.5"]) {
    const reply = await ask(ended(), "/deployments/d1/events", {
      headers: { ...AUTHORIZED, Accept: accept },
    });
    expect([reply.status, reply.headers.get("Content-Type")]).toEqual([200, "application/json"]);
    expect(await reply.json()).toEqual({
      events: [
        { seq: 1, at: "2026-11-23T12:00:00.000Z", phase: "log", level: "info", text: 'pulled "web:v2"' },
        { seq: 2, at: "2026-11-23T12:00:00.000Z", phase: "log", level: "info", text: "ended" },
      ],
    });
  }
});

test("a stream is the events, the deployment, the end", async () => {
  const reply = await ask(ended(), "/deployments/d1/events", { headers: STREAM });
  expect([reply.status, reply.headers.get("Content-Type"), reply.headers.get("Cache-Control")]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
    "no-store",
  ]);
  expect(await reply.text()).toBe(GREETING + message(1, 'pulled "web:v2"') + message(2, "ended") + DONE);
});

test("Last-Event-ID goes on after that event", async () => {
  const stream = async (id: string) => {
    const reply = await ask(ended(), "/deployments/d1/events", {
      headers: { ...STREAM, "Last-Event-ID": id },
    });
    return [reply.status, await reply.text()];
  };
  expect(await stream("1")).toEqual([200, GREETING + message(2, "ended") + DONE]);
  expect(await stream("2")).toEqual([200, GREETING + DONE]);
  expect(await stream("")).toEqual([
    200,
    GREETING + message(1, 'pulled "web:v2"') + message(2, "ended") + DONE,
  ]);
  for (const wrong of ["x", "-1", "1.5", "9".repeat(16)])
    expect(await stream(wrong)).toEqual([
      400,
      "Last-Event-ID must be the number of an event of this deployment\n",
    ]);
});

test("HEAD on a stream answers and follows nothing", async () => {
  const fake = fakeDaemon();
  fake.change(RUNNING);
  const reply = await ask(fake, "/deployments/d1/events", { method: "HEAD", headers: STREAM });
  expect([reply.status, reply.headers.get("Content-Type"), await reply.text()]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
    "",
  ]);
  expect(fake.calls).toEqual(["verify"]);
});

test("an unknown deployment is 404, without a token 401, also for streams", async () => {
  for (const headers of [AUTHORIZED, STREAM])
    expect((await ask(fakeDaemon(), "/deployments/d1/events", { headers })).status).toBe(404);
  for (const headers of [{}, { Accept: "text/event-stream" }])
    expect((await ask(ended(), "/deployments/d1/events", { headers })).status).toBe(401);
});

test("a reader that goes away is followed no longer, and the deployment goes on", async () => {
  const fake = fakeDaemon();
  fake.change(RUNNING);
  const reply = await ask(fake, "/deployments/d1/events", { headers: STREAM });
  const reader = reply.body?.getReader();
  await reader?.read();
  const next = reader?.read();
  fake.tell("d1", "one");
  await next;
  const waiting = reader?.read();
  await Bun.sleep(5);
  expect(fake.calls).toEqual(["verify", "watch d1"]);
  await reader?.cancel();
  await waiting;
  expect(fake.calls).toEqual(["verify", "watch d1", "unwatch d1"]);
  expect(fake.deployments.get("d1")?.status).toBe("running");
});

test("the connection may be silent for three heartbeats, and has the usual idle time after the end", async () => {
  const idle: number[] = [];
  const connection = { remote: () => "", closeAfterIdle: (seconds: number) => void idle.push(seconds) };
  const reply = await ask(ended(), "/deployments/d1/events", { headers: STREAM }, connection);
  expect(idle).toEqual([45]);
  await reply.text();
  expect(idle).toEqual([45, 10]);
});

test("POST /deploy streams its own deployment to who asks for events", async () => {
  const fake = fakeDaemon();
  const body = '{"service":"web"}';
  const reply = await ask(fake, "/deploy", {
    method: "POST",
    headers: { ...STREAM, Prefer: "respond-async" },
    body,
  });
  expect([reply.status, reply.headers.get("Content-Type")]).toEqual([
    200,
    "text/event-stream; charset=utf-8",
  ]);
  expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
  expect(reply.headers.get("Deployer-Read")).toBe(readKeyOf("d1"));
  fake.tell("d1", "live");
  fake.change(ENDED);
  expect(await reply.text()).toBe(GREETING + message(1, "live") + DONE);
});

test("a refused request is answered as ever, also when events were asked for", async () => {
  const reply = await ask(fakeDaemon(), "/deploy", { method: "POST", headers: STREAM, body: "{}" });
  expect([reply.status, await reply.text(), reply.headers.get("Deployer-Read")]).toEqual([
    400,
    "service is required\n",
    null,
  ]);
});

test("the key of Deployer-Read reads its own deployment and nothing else", async () => {
  const headers = { Authorization: `Bearer ${readKeyOf("d1")}` };
  const fake = ended();
  fake.deployments.set("d2", { ...ENDED, id: "d2" });
  const status = async (path: string, method = "GET") => (await ask(fake, path, { method, headers })).status;
  expect(await status("/deployments/d1")).toBe(200);
  expect(await status("/deployments/d1/events")).toBe(200);
  for (const path of [
    "/deployments/d2",
    "/deployments/d2/events",
    "/deployments/none",
    "/deployments",
    "/services",
    "/config",
  ])
    expect([path, await status(path)]).toEqual([path, 401]);
  expect(await status("/deploy", "POST")).toBe(401);
});

test("every accepted request gets a key, whatever its answer, and it is in no log line", async () => {
  const failed = outcomeOf("failed", { reason: "no", code: "docker" });
  for (const [prefer, outcome, status] of [
    ["", SUCCESS, 200],
    ["", failed, 500],
    ["respond-async", undefined, 202],
  ] as const) {
    const fake = fakeDaemon({ outcome });
    const headers = { ...AUTHORIZED, Prefer: prefer };
    const reply = await ask(fake, "/deploy", { method: "POST", headers, body: '{"service":"web"}' });
    expect([reply.status, reply.headers.get("Deployer-Read")]).toEqual([status, readKeyOf("d1")]);
    expect(JSON.stringify(fake.lines)).not.toContain(readKeyOf("d1"));
  }
});

test("a key that cannot be stored does not make a failure of an accepted request", async () => {
  const full = new Error("database or disk is full");
  const fake = fakeDaemon({
    grantRead: () => {
      throw full;
    },
  });
  const reply = await ask(fake, "/deploy", {
    method: "POST",
    headers: AUTHORIZED,
    body: '{"service":"web"}',
  });
  expect([reply.status, reply.headers.get("Deployer-Read")]).toEqual([200, null]);
  expect(fake.lines[0]).toMatchObject({ level: "warn", fields: { deployment: "d1", error: full } });
});

test("an accepted request without a key, of which there are too many, is answered all the same", async () => {
  const fake = fakeDaemon({ grantRead: () => undefined });
  const reply = await ask(fake, "/deploy", {
    method: "POST",
    headers: AUTHORIZED,
    body: '{"service":"web"}',
  });
  expect([reply.status, reply.headers.get("Deployer-Read")]).toEqual([200, null]);
});
