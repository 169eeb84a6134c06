import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { bytesOf, connect, parseReply } from "../support/raw-http.ts";
import { attempt, BASE_ENV } from "../support/run.ts";

const LARGE = 20 * 1024 ** 2;
const AT_ONCE = 5;
const MAX_RESIDENT = 150 * 1024 ** 2;
const PIECE = 64 * 1024;
const REPLY_DEADLINE = 30_000;

let daemon: Daemon;
let token: string;

beforeAll(async () => {
  daemon = await startAlone();
  token = await daemon.token();
});

afterAll(() => daemon[Symbol.asyncDispose]());

type Body = readonly [
  what: string,
  headers: readonly (readonly [string, string])[],
  pieces: () => Iterable<string>,
];

const LARGE_BODIES: readonly Body[] = [
  ["with their length", [["Content-Length", String(LARGE)]], plain],
  ["in chunks", [["Transfer-Encoding", "chunked"]], chunked],
];

test.each(LARGE_BODIES)(
  `${AT_ONCE} bodies of 20 MB at once %s, pushed by callers who do not listen, cost little memory`,
  async (_, headers, pieces) => {
    for (const bearer of [token, "a.b.c"]) {
      const statuses = await Promise.all(
        Array.from({ length: AT_ONCE }, () => push(headers, pieces(), bearer)),
      );
      // A caller who goes on sending finds the connection reset, mostly before it has read the answer: that is curl's part, below.
      for (const status of statuses) expect([bearer === token ? 413 : 401, 413, undefined]).toContain(status);
    }
    expect(peak()).toBeLessThan(MAX_RESIDENT);
    expect((await daemon.request("GET", "/health")).status).toBe(200);
  },
);

// Whoever sends all of it at once may find the connection reset before it has read the refusal: the kernel does that.
test.each([
  ["with their length", ["-H", "Expect:"], ["413", "000"]],
  ["in chunks", ["-H", "Expect:", "-H", "Transfer-Encoding: chunked"], ["413", "000"]],
  ["with Expect: 100-continue", ["-H", "Expect: 100-continue"], ["413"]],
])(`${AT_ONCE} bodies of 20 MB at once %s from curl, which is refused`, async (_, how, allowed) => {
  const dir = mkdtempSync(join(tmpdir(), "dstest-body-"));
  try {
    writeFileSync(join(dir, "body"), Buffer.alloc(LARGE, "A"));
    const argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@body", ...how];
    argv.push("-H", `Authorization: Bearer ${token}`, `${daemon.url}/deploy`);
    const results = await Promise.all(
      Array.from({ length: AT_ONCE }, () =>
        attempt(argv, { cwd: dir, env: BASE_ENV, deadline: REPLY_DEADLINE }),
      ),
    );
    for (const { stdout } of results) expect(allowed).toContain(stdout);
    expect(results.some(({ stdout }) => stdout === "413")).toBe(true);
    expect(peak()).toBeLessThan(MAX_RESIDENT);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a body of 100 KB gets the refusal in words, and the connection goes on", async () => {
  await using connection = await connect(daemon.port);
  const headers = [
    ["Authorization", `Bearer ${token}`],
    ["Connection", "keep-alive"],
  ] as const;
  connection.send(bytesOf({ method: "POST", target: "/deploy", headers, body: "A".repeat(100 * 1024) }));
  connection.send(bytesOf({ method: "GET", target: "/health" }));
  const received = await connection.untilClosed(REPLY_DEADLINE);
  expect(received.match(/HTTP\/1\.1 \d{3}/g)).toEqual(["HTTP/1.1 413", "HTTP/1.1 200"]);
  expect(received).toContain("request body larger than 64 KiB\n");
});

/** The status of the reply, if one was read before the connection ended. */
async function push(
  headers: readonly (readonly [string, string])[],
  pieces: Iterable<string>,
  bearer: string,
): Promise<number | undefined> {
  await using connection = await connect(daemon.port);
  const authorization = ["Authorization", `Bearer ${bearer}`] as const;
  connection.send(bytesOf({ method: "POST", target: "/deploy", headers: [authorization, ...headers] }));
  for (const piece of pieces) {
    if (connection.isClosed()) break;
    connection.send(piece);
    await connection.sent();
  }
  const received = await connection.untilClosed(REPLY_DEADLINE);
  return received === "" ? undefined : parseReply(received).status;
}

function* plain(): Iterable<string> {
  for (let sent = 0; sent < LARGE; sent += PIECE) yield "A".repeat(PIECE);
}

function* chunked(): Iterable<string> {
  for (let sent = 0; sent < LARGE; sent += PIECE) yield `${PIECE.toString(16)}\r\n${"A".repeat(PIECE)}\r\n`;
  yield "0\r\n\r\n";
}

/** The most memory the daemon has ever had, in bytes. */
function peak(): number {
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
