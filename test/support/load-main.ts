import { writeFileSync } from "node:fs";

import { type HttpConnection, openConnection } from "./http-connection.ts";
import { type LoadRequest, requestMix } from "./load-request.ts";
import { LoadOptions } from "./load-result.ts";
import { createTally } from "./load-tally.ts";

/**
 * `bun load-main.ts OPTIONS FILE`: the program that `load.ts` starts. It says when it began in one line, and on SIGTERM, when
 * everything under way has ended, writes its result to FILE. No request is ever sent twice.
 */

type Flight = { connection: HttpConnection; until: number };

const SWEEP_MS = 50;

const options = LoadOptions.parse(JSON.parse(process.argv[2] ?? "{}"));
const { hostname, port, ca, perSecond, timeoutMs } = options;
const host = options.host ?? `${hostname}:${port}`;
const tls = ca === undefined ? undefined : { serverName: host.replace(/:\d+$/, ""), ca };
const nextRequest = requestMix(options, host);
const tally = createTally();
const flights = new Set<Flight>();
/** Not in use, the one used longest ago first: each of them is used again and again. */
const idle: HttpConnection[] = [];
let connections = 0;
const stopping = new AbortController();

process.on("SIGTERM", () => stopping.abort());
const startedAt = Date.now();
const origin = performance.now();
process.stdout.write(`${JSON.stringify({ startedAt })}\n`);
setInterval(expire, SWEEP_MS);
await keepSending();
const duration = now();
while (flights.size > 0) await Bun.sleep(1);
// Not to stdout: what is longer than a pipe's buffer has once been cut there.
writeFileSync(process.argv[3] ?? "", JSON.stringify(tally.result(startedAt, duration, connections)));
process.exit(0);

/** Request n is due n / perSecond seconds after the start, whatever became of the others. */
async function keepSending(): Promise<void> {
  for (let sent = 0; !stopping.signal.aborted;) {
    for (let due = dueAt(sent); due <= now() && !stopping.signal.aborted; due = dueAt(sent)) {
      void send(due);
      sent += 1;
    }
    await Bun.sleep(Math.max(1, dueAt(sent) - now()));
    await hearFirst();
  }
}

async function send(due: number): Promise<void> {
  const request = nextRequest();
  const connection = (request.connection === "kept" ? kept() : undefined) ?? connect();
  const flight = { connection, until: now() + timeoutMs };
  flights.add(flight);
  tally.sent(now() - due);
  const outcome = await connection.ask(request.bytes);
  const took = now() - due;
  flights.delete(flight);
  if (request.connection === "new") connection.close();
  else if (connection.isUsable()) idle.push(connection);
  const reason = "failure" in outcome ? outcome.failure : request.complaint(outcome.answer);
  if ("failure" in outcome || reason !== undefined) tally.failed(failureOf(request, due, took, reason));
  else
    tally.answered(
      due,
      Math.max(0, took - request.wanted),
      outcome.answer.headers.get("x-version") ?? "none",
    );
}

function failureOf({ kind, connection }: LoadRequest, at: number, took: number, reason = "unknown") {
  return { at, took, reason, kind, connection };
}

function kept(): HttpConnection | undefined {
  for (;;) {
    const connection = idle.shift();
    if (connection === undefined || connection.isUsable()) return connection;
  }
}

function connect(): HttpConnection {
  connections += 1;
  return openConnection({ hostname, port, tls });
}

/** What has arrived is read before anything is sent: a server's goodbye on a kept connection counts, as in any client. */
async function hearFirst(): Promise<void> {
  for (let turn = 0; turn < 2; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

function expire(): void {
  for (const { connection, until } of flights) if (now() > until) connection.fail("timeout");
}

function dueAt(index: number): number {
  return (index * 1_000) / perSecond;
}

function now(): number {
  return performance.now() - origin;
}
