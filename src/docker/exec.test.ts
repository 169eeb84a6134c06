import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { type FakeEngine, fakeEngine, pieces } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };
const LONG = 10_000;
const SHORT = 100;

type State = { Running: boolean; ExitCode: number | null };
const ENDED = (ExitCode: number): State => ({ Running: false, ExitCode });
const RUNNING: State = { Running: true, ExitCode: null };

/** An engine with one command: what its start answers, and how it stands then, the last state for ever. */
function engineWith(start: () => Response | Promise<Response>, ...states: State[]) {
  const bodies: unknown[] = [];
  const fake = fakeEngine(async (request, { pathname }) => {
    if (request.method === "POST") bodies.push(await request.json());
    if (pathname.endsWith("/containers/c1/exec")) return Response.json({ Id: "e1" }, { status: 201 });
    if (pathname.endsWith("/exec/e1/start")) return start();
    const [state, ...later] = states;
    if (later.length > 0) states.shift();
    return state === undefined ? notFound() : Response.json(state);
  });
  return { fake, bodies, engine: createEngine({ host: fake.host, clock }) };
}

function notFound(): Response {
  return Response.json({ message: "No such exec instance: e1" }, { status: 404 });
}

function frame(stream: 1 | 2, text: string): Uint8Array {
  const payload = Buffer.from(text);
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function paths({ requests }: FakeEngine): string[] {
  return requests.map((line) => line.replace("/v1.41", ""));
}

test("a command's exit code comes with the last line it printed, on whichever stream", async () => {
  const { fake, bodies, engine } = engineWith(
    () => pieces([frame(1, "asking\n"), frame(2, "\u001b[31mwget: error 503\u001b[0m\n\n")]),
    ENDED(1),
  );
  await using _ = fake;
  expect(await engine.exec("c1", ["wget", "-q", "a b"], LONG)).toEqual({
    exitCode: 1,
    output: "wget: error 503",
  });
  expect(paths(fake).slice(1)).toEqual([
    "POST /containers/c1/exec",
    "POST /exec/e1/start",
    "GET /exec/e1/json",
  ]);
  expect(bodies).toEqual([
    { AttachStdout: true, AttachStderr: true, Cmd: ["wget", "-q", "a b"] },
    { Detach: false, Tty: false },
  ]);
});

test("a command that closes its output is waited for", async () => {
  const { fake, engine } = engineWith(() => pieces([]), RUNNING, RUNNING, ENDED(0));
  await using _ = fake;
  expect(await engine.exec("c1", ["x"], LONG)).toEqual({ exitCode: 0, output: "" });
});

test.each([
  ["prints nothing", () => pieces([], "hang")],
  ["has printed", () => pieces([frame(1, "still at it\n")], "hang")],
  ["is not even begun", () => new Promise<Response>(() => undefined)],
  ["has closed its output", () => pieces([])],
])("a command that %s is given up at the deadline, without an exit code", async (what, start) => {
  const { fake, engine } = engineWith(start, RUNNING);
  await using _ = fake;
  expect(await engine.exec("c1", ["x"], SHORT)).toEqual({
    exitCode: undefined,
    output: what === "has printed" ? "still at it" : "",
  });
});

test("one that has ended by the deadline, but whose output has not, has its exit code", async () => {
  const { fake, engine } = engineWith(() => pieces([frame(1, "ready\n")], "hang"), ENDED(0));
  await using _ = fake;
  expect(await engine.exec("c1", ["x"], SHORT)).toEqual({ exitCode: 0, output: "ready" });
});

test("at the deadline the connection is closed", async () => {
  const closed = Promise.withResolvers<void>();
  const { fake, engine } = engineWith(
    () => new Response(new ReadableStream({ cancel: () => closed.resolve(), pull: () => Bun.sleep(5) })),
    RUNNING,
  );
  await using _ = fake;
  await engine.exec("c1", ["x"], SHORT);
  await closed.promise;
});

test("a command that prints for ever costs no memory and does not keep others from working", async () => {
  const line = frame(1, "y\n".repeat(30_000));
  const { fake, engine } = engineWith(
    () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(line) })),
    RUNNING,
  );
  await using _ = fake;
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  const exec = engine.exec("c1", ["yes"], 1_000);
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 10);
  expect(await exec).toEqual({ exitCode: undefined, output: "y" });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(10);
  // Also that of the fake engine, in the same process, which makes garbage as fast as it can.
  expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 * 1024);
});

test.each([
  ["stopped", 409, "Container c1 is not running"],
  ["paused", 409, "Container c1 is paused, unpause the container before exec"],
  ["gone", 404, "No such container: c1"],
])("in a container that is %s nothing can be run", async (_, status, message) => {
  await using fake = fakeEngine(() => Response.json({ message }, { status }));
  await expect(createEngine({ host: fake.host, clock }).exec("c1", ["x"], LONG)).rejects.toMatchObject({
    code: "docker",
    message: `Docker could not run a command in container c1: ${message}`,
  });
});

test("a program that is not there has the exit code Docker gives it, whichever way the engine says so", async () => {
  const message = 'OCI runtime exec failed: exec: "x": executable file not found in $PATH';
  const printed = engineWith(() => pieces([frame(1, `${message}\r\n`)]), ENDED(126));
  await using _printed = printed.fake;
  expect(await printed.engine.exec("c1", ["x"], LONG)).toEqual({ exitCode: 126, output: message });
  const refused = engineWith(() => Response.json({ message }, { status: 400 }), ENDED(127));
  await using _refused = refused.fake;
  expect(await refused.engine.exec("c1", ["x"], LONG)).toEqual({ exitCode: 127, output: message });
});

test("a container that dies before the command begins is an error in Docker's words", async () => {
  const { fake, engine } = engineWith(notFound);
  await using _ = fake;
  await expect(engine.exec("c1", ["x"], LONG)).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not run a command in container c1: No such exec instance: e1",
  });
});

test("a container that dies with the command in it is that command's end, or an error when Docker has forgotten it", async () => {
  const known = engineWith(() => pieces([frame(1, "working\n")]), ENDED(137));
  await using _known = known.fake;
  expect(await known.engine.exec("c1", ["x"], LONG)).toEqual({ exitCode: 137, output: "working" });
  const forgotten = engineWith(() => pieces([]));
  await using _forgotten = forgotten.fake;
  await expect(forgotten.engine.exec("c1", ["x"], LONG)).rejects.toMatchObject({ code: "docker" });
});

test("an engine that goes away in the middle is an error", async () => {
  const { fake, engine } = engineWith(() => pieces([frame(1, "x")], "cut"), ENDED(0));
  await using _ = fake;
  await expect(engine.exec("c1", ["x"], LONG)).rejects.toMatchObject({ code: "docker" });
});
