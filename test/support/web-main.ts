import { readFileSync } from "node:fs";

/**
 * The program in the image of `web-image.ts`: a web server that behaves as a good one does. The file /version and
 * environment variables `APP_…` say who it is and how it fails. Any GET of a path it does not know is answered as `/` is.
 */

const version = readFileSync("/version", "utf8");
const name = process.env["APP_NAME"] ?? "web";
const port = setting("APP_PORT") ?? 8080;
const startDelay = setting("APP_START_DELAY_MS") ?? 300;
const crashAfter = setting("APP_CRASH_AFTER_MS");
const crashAfterRequests = setting("APP_CRASH_AFTER_REQUESTS");
const allocateAfter = setting("APP_ALLOCATE_AFTER_MS");
const unhealthyAfterRequests = setting("APP_UNHEALTHY_AFTER_REQUESTS") ?? Number.POSITIVE_INFINITY;
const isEverHealthy = process.env["APP_NEVER_HEALTHY"] === undefined;

const TICK_MS = 1_000;
/** So that the answer to the last request is out. */
const CRASH_PAUSE_MS = 10;
const IDLE_SECONDS = 30;
const CHUNK_BYTES = 16_000_000;
const GOING_AWAY = 1001;

type Listener = { send(event: string): void; end(): void };

const listeners = new Set<Listener>();
const sockets = new Set<Bun.ServerWebSocket>();
const hoard: Uint8Array[] = [];
let requests = 0;

process.on("SIGTERM", () => process.exit(0));
say("starting");
await Bun.sleep(startDelay);

const server = Bun.serve({
  port,
  idleTimeout: IDLE_SECONDS,
  development: false,
  fetch: async (request, server) => {
    if (!URL.canParse(request.url)) return new Response("no such host\n", { status: 400 });
    const url = new URL(request.url);
    if (url.pathname === "/health") return health();
    countRequest();
    if (url.pathname === "/socket")
      return server.upgrade(request) ? undefined : new Response("not a WebSocket\n", { status: 400 });
    if (url.pathname === "/events" || url.pathname === "/slow") server.timeout(request, 0);
    const answer = await answerTo(request, url);
    answer.headers.set("X-Service", name);
    answer.headers.set("X-Version", version);
    return answer;
  },
  error: (error) => new Response(`${error.message}\n`, { status: 500 }),
  websocket: {
    idleTimeout: 0,
    open: (socket) => void sockets.add(socket),
    message: (socket, text) => void socket.send(`${version} ${text.toString()}`),
    close: (socket) => void sockets.delete(socket),
  },
});
say(`serving on ${server.port}`);

process.removeAllListeners("SIGTERM");
process.on("SIGTERM", () => {
  say("stopping");
  const stopped = server.stop();
  for (const listener of listeners) {
    listener.send("bye");
    listener.end();
  }
  for (const socket of sockets) socket.close(GOING_AWAY, "bye");
  void stopped.then(() => process.exit(0));
});
setInterval(() => {
  for (const listener of listeners) listener.send("tick");
}, TICK_MS);
if (crashAfter !== undefined) setTimeout(crash, crashAfter);
if (allocateAfter !== undefined)
  setTimeout(() => setInterval(() => hoard.push(new Uint8Array(CHUNK_BYTES).fill(1)), 1), allocateAfter);

async function answerTo(request: Request, url: URL): Promise<Response> {
  if (request.method === "POST") {
    if (url.pathname !== "/echo") return new Response("no such page\n", { status: 404 });
    const body = await request.bytes();
    await Bun.sleep(Number(url.searchParams.get("ms") ?? "0"));
    const sha256 = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    return Response.json({ sha256, length: body.length });
  }
  if (url.pathname === "/headers") return Response.json(Object.fromEntries(request.headers));
  if (url.pathname === "/events") return events();
  if (url.pathname === "/slow") await Bun.sleep(Number(url.searchParams.get("ms") ?? "500"));
  return new Response(version);
}

function health(): Response {
  return isEverHealthy && requests < unhealthyAfterRequests
    ? new Response("healthy\n")
    : new Response("there is no database\n", { status: 503 });
}

/** Server-sent events: the version at once, then a tick a second, until somebody ends it. */
function events(): Response {
  let listener: Listener | undefined;
  const leave = () => {
    if (listener !== undefined) listeners.delete(listener);
  };
  const stream = new ReadableStream<string>({
    start(controller) {
      listener = {
        send: (event) => controller.enqueue(`data: ${event}\n\n`),
        end() {
          leave();
          controller.close();
        },
      };
      listeners.add(listener);
      listener.send(version);
    },
    cancel: leave,
  });
  return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
}

function countRequest(): void {
  requests += 1;
  if (requests === crashAfterRequests) setTimeout(crash, CRASH_PAUSE_MS);
}

function crash(): void {
  say("crashes");
  process.exit(1);
}

function setting(name: string): number | undefined {
  const value = process.env[name];
  return value === undefined || value === "" ? undefined : Number(value);
}

function say(what: string): void {
  process.stdout.write(`${name} ${version} ${what}\n`);
}
