import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient } from "./client.ts";
import { overSocket } from "./over-socket.ts";
import type { Story } from "./story.ts";

const DEPLOYMENT = {
  id: "d1",
  kind: "rollback",
  to: null,
  services: [{ service: "web", image: null, digest: null }],
  status: "succeeded",
  reason: "",
  changed: true,
  created_at: "2026-11-23T12:00:00.000Z",
  started_at: "2026-11-23T12:00:01.000Z",
  ended_at: "2026-11-23T12:00:05.000Z",
  of_a_newer_version: 1,
};

const folder = mkdtempSync(join(tmpdir(), "client-test-"));
const socket = join(folder, "control.sock");
let answer: (request: Request) => Response | Promise<Response>;
let server: Bun.Server<undefined>;
beforeAll(() => {
  server = Bun.serve({ unix: socket, fetch: (request) => answer(request) });
});
afterAll(async () => {
  await server.stop(true);
  rmSync(folder, { recursive: true });
});
const patience = { now: Date.now, sleep: Bun.sleep, say: () => undefined };
const clientOf = (path: string) => createClient(overSocket(path), patience);
const client = clientOf(socket);

function eventText(seq: number): string {
  const event = { seq, at: "2026-11-23T12:00:00.000Z", phase: "log", level: "info", text: `event ${seq}` };
  return `id: ${seq}\nevent: log\ndata: ${JSON.stringify(event)}\n\n`;
}

/** What a story tells, in short. */
async function read(story: AsyncIterable<Story>): Promise<string[]> {
  const told: string[] = [];
  for await (const part of story) {
    if ("progress" in part) told.push(String(part.progress.downloaded_bytes));
    else told.push("ended" in part ? part.ended.status : part.event.text);
  }
  return told;
}

test("a rollback is asked for, and its story is read as it comes, in whatever pieces", async () => {
  let asked: unknown;
  const text = `: greeting\n\n${eventText(1)}: heartbeat\n\n${eventText(2)}event: done\ndata: ${JSON.stringify(DEPLOYMENT)}\n\n`;
  answer = async (request) => {
    asked = [
      request.method,
      new URL(request.url).pathname,
      await request.json(),
      request.headers.get("accept"),
      request.headers.get("prefer"),
    ];
    const pieces = text.match(/[^]{1,7}/g) ?? [];
    const body = new ReadableStream({
      async start(controller) {
        for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
        controller.close();
      },
    });
    return new Response(body, { headers: { "Deployer-Deployment": "d1" } });
  };
  const { id, story } = await client.rollback({ service: "web", to: "d0" });
  expect(asked).toEqual([
    "POST",
    "/rollback",
    { service: "web", to: "d0" },
    "text/event-stream, application/json;q=0.9",
    "progress",
  ]);
  expect(id).toBe("d1");
  expect(await read(story)).toEqual(["event 1", "event 2", "succeeded"]);
});

test("a story that is cut off ends with what was told", async () => {
  answer = (request) => {
    expect(request.headers.get("last-event-id")).toBe("4");
    return new Response(`${eventText(5)}id: 6\nevent: log\ndata: {"seq"`);
  };
  expect(await read((await client.follow("d1", 4)).story)).toEqual(["event 5"]);
});

test.each([
  ["log", '{"seq"', "an event: no JSON"],
  ["log", '{"seq":"one"}', "an event: seq "],
  ["progress", "45 MiB", "the progress of a pull: no JSON"],
  ["done", "succeeded", "the end of a deployment: no JSON"],
])("a message %s that says %s is no lost connection", async (event, data, why) => {
  answer = () => new Response(`${eventText(5)}event: ${event}\ndata: ${data}\n\n${eventText(6)}`);
  const told: string[] = [];
  const story = (await client.follow("d1", 4)).story;
  const reading = (async () => {
    for await (const part of story) told.push("event" in part ? part.event.text : "");
  })();
  await expect(reading).rejects.toMatchObject({
    name: "ClientError",
    code: "unreachable",
    message: expect.stringContaining(`the answer of the daemon is not understood (${why}`),
  });
  expect(told).toEqual(["event 5"]);
});

test("what the daemon refuses is told in its words", async () => {
  answer = () =>
    Response.json({ error: { code: "not_found", message: 'unknown service "x"' } }, { status: 404 });
  await expect(client.restart("x")).rejects.toMatchObject({
    code: "not_found",
    message: 'unknown service "x"',
  });
  await expect(client.rollback({ service: "x" })).rejects.toMatchObject({ code: "not_found" });
});

test("an answer that is not the daemon's is one that cannot be understood", async () => {
  answer = () => new Response("<html>");
  await expect(client.services()).rejects.toMatchObject({ code: "unreachable" });
  answer = () => new Response("bad gateway", { status: 502 });
  await expect(client.services()).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringMatching(/HTTP 502/),
  });
});

test("fields of a newer daemon are passed on", async () => {
  answer = () => Response.json({ deployments: [DEPLOYMENT], next: null });
  expect(await client.deployments({ limit: 1 })).toEqual([DEPLOYMENT as never]);
});

test("a long list is read page by page, never more than wanted", async () => {
  const asked: string[] = [];
  answer = (request) => {
    const { search, searchParams } = new URL(request.url);
    asked.push(search);
    const deployments = Array.from({ length: Number(searchParams.get("limit")) }, () => DEPLOYMENT);
    return Response.json({ deployments, next: "1-a" });
  };
  expect(await client.deployments({ service: "a&b", limit: 250 })).toHaveLength(250);
  expect(asked).toEqual(["?limit=200&service=a%26b", "?limit=50&service=a%26b&before=1-a"]);
});

test("the turn comes when the daemon says so, and is given back by hanging up", async () => {
  const come = Promise.withResolvers<void>();
  const hungUp = Promise.withResolvers<void>();
  answer = () =>
    new Response(
      new ReadableStream({
        async start(controller) {
          await come.promise;
          controller.enqueue(new TextEncoder().encode("turn\n"));
        },
        cancel: () => hungUp.resolve(),
      }),
    );
  let hasCome = false;
  const turn = client.turn().then((turn) => {
    hasCome = true;
    return turn;
  });
  await Bun.sleep(50);
  expect(hasCome).toBe(false);
  come.resolve();
  (await turn).giveBack();
  await hungUp.promise;
});

test("nobody there is unreachable, with where and why", async () => {
  const none = join(folder, "none.sock");
  await expect(clientOf(none).services()).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringMatching(/none\.sock: there is no such socket/),
  });
  const dead = join(folder, "dead.sock");
  const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  await Bun.spawn([process.execPath, "-e", script, dead]).exited;
  await expect(clientOf(dead).services()).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringMatching(/nobody listens/),
  });
  writeFileSync(join(folder, "file"), "");
  await expect(clientOf(join(folder, "file")).services()).rejects.toMatchObject({ code: "unreachable" });
});
