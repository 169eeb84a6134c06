import { randomBytes } from "node:crypto";

import type { Socket } from "bun";

import { FloodOptions, type FloodResult } from "./flood-options.ts";

/**
 * `bun flood-main.ts OPTIONS`: the program that `flood.ts` starts. It says a line when every connection is open, and on
 * SIGTERM one JSON. It reads of an answer no more than its first line.
 */

const FORGED = 500;
const SIGNATURE_BYTES = 256;
const STEP_MS = 5;
const LIFE_SECONDS = 3_000;
const REFUSED = "HTTP/1.1 401 Unauthorized";

type Connection = Socket;

const { port, connections, perSecond } = FloodOptions.parse(JSON.parse(process.argv[2] ?? "{}"));
const requests = Array.from({ length: FORGED }, forgedRequest);
const idle: Connection[] = [];
const result: FloodResult = { refused: 0, others: {}, broken: 0, duration: 0 };
let sent = 0;
let isStopping = false;

for (let n = 0; n < connections; n += 1) await open();
const begin = performance.now();
process.stdout.write("begun\n");
process.on("SIGTERM", () => void stop());
const timer = setInterval(send, STEP_MS);

async function stop(): Promise<void> {
  isStopping = true;
  clearInterval(timer);
  result.duration = performance.now() - begin;
  await Bun.write(Bun.stdout, `${JSON.stringify(result)}\n`);
  process.exit(0);
}

/** As many as are due, or as there are connections for. */
function send(): void {
  const due = ((performance.now() - begin) / 1_000) * perSecond;
  for (; sent < due; sent += 1) {
    const connection = idle.shift();
    if (connection === undefined) {
      // What could not be sent is not sent later either.
      sent = Math.floor(due);
      return;
    }
    connection.write(requests[sent % FORGED] ?? "");
  }
}

async function open(): Promise<void> {
  await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (connection) => void idle.push(connection),
      data(connection, bytes) {
        const answer = bytes.toString("latin1");
        const line = answer.slice(0, answer.indexOf("\r\n"));
        if (line === REFUSED) result.refused += 1;
        else result.others[line] = (result.others[line] ?? 0) + 1;
        idle.push(connection);
      },
      close() {
        if (isStopping) return;
        result.broken += 1;
        void open();
      },
      error() {},
    },
  }).catch(() => {
    result.broken += 1;
  });
}

/** As our own client sends it, but for the signature: of a number below the modulus, so that it is calculated to the end. */
function forgedRequest(): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signature = randomBytes(SIGNATURE_BYTES);
  signature[0] = 0;
  const exp = Math.floor(Date.now() / 1_000) + LIFE_SECONDS;
  const claims = { iss: "github-actions", exp, jti: crypto.randomUUID(), req: "A".repeat(43) };
  const token = `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.${signature.toString("base64url")}`;
  const body = '{"service":"web"}';
  return `POST /deploy HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
