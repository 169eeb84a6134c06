import { afterAll, beforeAll, expect, test } from "bun:test";

import { z } from "zod";

import { lifeOf } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";

const STREAM_DEADLINE = 60_000;

const Service = z.object({
  service: z.string(),
  state: z.string(),
  health: z.string().nullable(),
  replicas: z.object({ wanted: z.number(), running: z.number() }),
  wanted: z.object({ image: z.string(), digest: z.string().nullable() }),
  running: z.object({ image: z.string(), digest: z.string().nullable(), image_id: z.string() }).nullable(),
  since: z.string().nullable(),
  deployment: z.string().nullable(),
  drift: z.array(z.object({ kind: z.string(), text: z.string() })),
});
const Listing = z.object({
  deployments: z.array(z.object({ id: z.string(), service: z.string(), status: z.string() })),
  next: z.string().nullable(),
});
type Message = { id: number | undefined; event: string; data: Record<string, unknown> };

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        await aws.publish("web", "exits", { exitCode: 3 });
        return composeFile(aws.repository("web"), "");
      },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

test("a deployment that succeeds tells its story while it happens, and the list of it later", async () => {
  const { daemon } = scene;
  const reply = await stream("POST", "/deploy", { service: "web", image: imageOf("v2") });
  const id = reply.headers.get("Deployer-Deployment") ?? "";
  expect(reply.headers.get("Content-Type")).toBe("text/event-stream; charset=utf-8");
  const messages: Message[] = [];
  for await (const message of read(reply)) {
    messages.push(message);
    // The first of them come while it is still under way.
    if (message.event === "started")
      expect(await deployment(id)).toMatchObject({ status: "running", ended_at: null });
  }
  expect(messages.map(({ event }) => event)).toEqual([
    "accepted",
    "started",
    "resolved",
    "pulled",
    "strategy",
    "creating",
    "switching",
    "gating",
    "watching",
    "committed",
    "removed",
    "ended",
    "done",
  ]);
  expect(messages.slice(0, -1).map(({ id }) => id)).toEqual([...Array(12)].map((_, index) => index + 1));
  expect(messages.at(-1)?.data).toEqual(await deployment(id));
  expect(messages.at(-1)?.data).toMatchObject({ id, status: "succeeded", changed: true });

  const list = await daemon.request("GET", `/deployments/${id}/events`, { headers: await authorized() });
  expect(JSON.parse(list.text)).toEqual({ events: messages.slice(0, -1).map(({ data }) => data) });
});

test("a stream that is cut goes on after Last-Event-ID, without a miss or a second time, to the end of a rollback", async () => {
  const { daemon } = scene;
  const accepted = await daemon.deploy(
    { service: "web", image: imageOf("exits") },
    { Prefer: "respond-async" },
  );
  expect(accepted.status).toBe(202);
  const path = `${accepted.headers.get("Location")}/events`;
  const key = accepted.headers.get("Deployer-Read") ?? "";
  const headers = { Authorization: `Bearer ${key}` };

  const seen: Message[] = [];
  for await (const message of read(await stream("GET", path, undefined, headers))) {
    seen.push(message);
    if (message.event === "switching") break;
  }
  const last = seen.at(-1)?.id ?? 0;
  const more = { ...headers, "Last-Event-ID": String(last) };
  for await (const message of read(await stream("GET", path, undefined, more))) seen.push(message);

  expect(seen.map(({ event }) => event)).toEqual([
    "accepted",
    "started",
    "resolved",
    "pulled",
    "strategy",
    "creating",
    "switching",
    "gating",
    "going_back",
    "diagnosis",
    "output",
    "output",
    "ended",
    "done",
  ]);
  expect(seen.slice(0, -1).map(({ id }) => id)).toEqual([...Array(13)].map((_, index) => index + 1));
  const told = (phase: string): unknown => seen.find(({ event }) => event === phase)?.data;
  expect(told("going_back")).toMatchObject({
    level: "error",
    text: expect.stringContaining("exited with code 3"),
  });
  expect(told("diagnosis")).toMatchObject({
    level: "error",
    text: expect.stringMatching(/^container [0-9a-f]{12} of service "web": exit code 3$/),
  });
  expect(seen.at(-1)?.data).toMatchObject({ status: "rolled_back" });
});

test("Deployer-Read reads its own deployment, also after a restart, and is 401 everywhere else", async () => {
  const first = await scene.daemon.deploy({ service: "web" });
  const other = await scene.daemon.deploy({ service: "web" });
  const [id, otherId] = [first, other].map(({ headers }) => headers.get("Deployer-Deployment") ?? "");
  const key = first.headers.get("Deployer-Read") ?? "";
  expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(other.headers.get("Deployer-Read")).not.toBe(key);
  const status = async (daemon: Scene["daemon"], path: string, method = "GET") =>
    (await daemon.request(method, path, { headers: { Authorization: `Bearer ${key}` } })).status;

  expect(await scene.daemon.stop()).toBe(0);
  const again = cleanup.use(await scene.daemon.startAgain());
  for (const path of [`/deployments/${id}`, `/deployments/${id}/events`])
    expect([path, await status(again, path)]).toEqual([path, 200]);
  for (const path of [
    `/deployments/${otherId}`,
    `/deployments/${otherId}/events`,
    "/deployments",
    "/services",
    "/config",
  ])
    expect([path, await status(again, path)]).toEqual([path, 401]);
  expect(await status(again, "/deploy", "POST")).toBe(401);

  const database = await Bun.file(`${again.stateDir}/deployer.db`).text();
  expect(database).toContain(id ?? "no id");
  expect(database).not.toContain(key);
  expect(JSON.stringify([...scene.daemon.log(), ...again.log()])).not.toContain(key);
  expect(await again.stop()).toBe(0);
  scene.daemon = cleanup.use(await again.startAgain());
  await scene.daemon.waitForLog((line) => line.message === "services are up");
});

test("a stop of the daemon tells those who follow the running deployment its end, and keeps nobody waiting", async () => {
  const { daemon } = scene;
  const reply = await stream("POST", "/deploy", { service: "web", image: imageOf("v1"), force: true });
  const messages: Message[] = [];
  for await (const message of read(reply)) {
    messages.push(message);
    if (message.event === "creating") process.kill(daemon.pid, "SIGTERM");
  }
  expect(messages.at(-1)).toMatchObject({ event: "done", data: { status: "succeeded" } });
  expect(await daemon.exit).toBe(0);
  scene.daemon = cleanup.use(await daemon.startAgain());
  await scene.daemon.waitForLog((line) => line.message === "services are up");
});

test("the list gives all deployments, newest first, by service and status, page by page", async () => {
  const all = await list("?limit=200");
  expect(all.next).toBeNull();
  const ids = all.deployments.map(({ id }) => id);
  expect(ids.length).toBeGreaterThanOrEqual(5);
  expect(ids).toEqual(ids.toSorted().toReversed());
  expect(new Set(all.deployments.map(({ status }) => status))).toEqual(new Set(["succeeded", "rolled_back"]));

  const paged: string[] = [];
  for (let next: string | null = ""; next !== null;) {
    const page = await list(`?limit=2${next === "" ? "" : `&before=${next}`}`);
    paged.push(...page.deployments.map(({ id }) => id));
    next = page.next;
  }
  expect(paged).toEqual(ids);
  expect((await list("?status=rolled_back&service=web")).deployments).toHaveLength(1);
  expect((await list("?service=other")).deployments).toEqual([]);
  const wrong = await scene.daemon.request("GET", "/deployments?status=gone", {
    headers: await authorized(),
  });
  expect([wrong.status, wrong.text]).toEqual([400, expect.stringContaining("rolled_back")]);
});

test("services tells what runs, by which deployment, and what differs from the file", async () => {
  const { daemon, project, aws } = scene;
  const reply = await daemon.deploy({ service: "web", image: imageOf("v2") });
  expect(reply.status).toBe(200);
  const life = await lifeOf(project, "web");
  const digest = life.image.split("@")[1] ?? "";
  expect(await service("web")).toMatchObject({
    state: "running",
    health: "none",
    replicas: { wanted: 1, running: 1 },
    wanted: { image: life.image, digest },
    running: { image: life.image, digest },
    since: life.startedAt,
    deployment: reply.headers.get("Deployer-Deployment"),
    drift: [],
  });
  expect(await service("idle")).toMatchObject({ state: "none", running: null, drift: [] });

  const repository = aws.repository("web");
  project.write(composeFile(repository, "    environment: { COLOUR: green }\n    scale: 2\n"));
  expect((await service("web")).drift.map(({ kind }) => kind)).toEqual(["configuration", "replicas"]);

  project.write(composeFile(repository, "").replace(":v1", ":v3"));
  const changed = await service("web");
  expect(changed.drift.map(({ kind }) => kind)).toEqual(["image"]);
  expect(changed).toMatchObject({ wanted: { image: `${repository}:v3`, digest: null }, deployment: null });
  expect(await lifeOf(project, "web")).toEqual(life);

  project.write(composeFile(repository, ""));
  await project.compose("stop", "web");
  expect(await service("web")).toMatchObject({ state: "stopped", replicas: { running: 0 }, since: null });
  await project.compose("rm", "--force", "web");
  expect(await service("web")).toMatchObject({
    state: "none",
    drift: [{ kind: "no_container" }],
  });
});

async function service(name: string): Promise<z.infer<typeof Service>> {
  const reply = await scene.daemon.request("GET", "/services", { headers: await authorized() });
  expect([reply.status, reply.text]).toEqual([200, expect.stringContaining(name)]);
  const { services } = z.object({ services: z.array(Service) }).parse(JSON.parse(reply.text));
  const found = services.find((one) => one.service === name);
  if (found === undefined) throw new Error(`no ${name} in ${reply.text}`);
  return found;
}

async function list(query: string): Promise<z.infer<typeof Listing>> {
  const reply = await scene.daemon.request("GET", `/deployments${query}`, { headers: await authorized() });
  expect([query, reply.status]).toEqual([query, 200]);
  return Listing.parse(JSON.parse(reply.text));
}

async function deployment(id: string): Promise<Record<string, unknown>> {
  const reply = await scene.daemon.request("GET", `/deployments/${id}`, { headers: await authorized() });
  return z.record(z.string(), z.unknown()).parse(JSON.parse(reply.text));
}

async function authorized(): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await scene.daemon.token()}` };
}

async function stream(
  method: string,
  path: string,
  body: unknown,
  headers?: Record<string, string>,
): Promise<Response> {
  const reply = await fetch(scene.daemon.url + path, {
    method,
    headers: { Accept: "text/event-stream", ...(headers ?? (await authorized())) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(STREAM_DEADLINE),
  });
  expect(reply.status).toBe(200);
  return reply;
}

/** The messages of an event stream as they come; leaving the loop cuts the connection. */
async function* read(reply: Response): AsyncGenerator<Message, void, undefined> {
  let text = "";
  const decoder = new TextDecoder();
  if (reply.body === null) return;
  for await (const chunk of reply.body) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const fields = new Map(
        part.split("\n").map((line): [string, string] => {
          const colon = line.indexOf(": ");
          return [line.slice(0, colon), line.slice(colon + 2)];
        }),
      );
      const event = fields.get("event");
      if (event === undefined) continue;
      const id = fields.get("id");
      yield {
        id: id === undefined ? undefined : Number(id),
        event,
        data: z.record(z.string(), z.unknown()).parse(JSON.parse(fields.get("data") ?? "")),
      };
    }
  }
}

function imageOf(tag: string): string {
  return `${scene.aws.repository("web")}:${tag}`;
}

function composeFile(repository: string, more: string): string {
  return `services:
  web:
    image: ${repository}:v1
    stop_grace_period: 2s
${more}  idle:
    image: ${repository}:v1
    profiles: [later]
`;
}
