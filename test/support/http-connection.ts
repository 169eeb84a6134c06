import { z } from "zod";

import { type AnswerReader, answerReader, type HttpAnswer } from "./http-answer.ts";

/** Where requests go. */
export type HttpTarget = {
  hostname: string;
  port: number;
  /** TLS, for this name, with this CA's certificate (PEM). */
  tls?: { serverName: string; ca: string } | undefined;
};

/**
 * What came back: an answer, or why there was none: `refused`, `unreachable`, `reset`, `closed` (by the other side, before
 * the answer was whole), `timeout`, `malformed`, or what the system calls it.
 */
type Outcome = { answer: HttpAnswer } | { failure: string };

/** One connection, which carries one request at a time, each of them once. */
export type HttpConnection = {
  /** Sends a request; only on a connection that is usable and has no other. */
  ask(request: Uint8Array): Promise<Outcome>;
  /** False as soon as it is known that the other side has closed it. */
  isUsable(): boolean;
  /** Ends what is under way as a failure for this reason, and the connection. */
  fail(reason: string): void;
  close(): void;
};

type Current = { reader: AnswerReader; unsent: Uint8Array; resolve: (outcome: Outcome) => void };

const Coded = z.object({ code: z.string() });
const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
};

/** On a bare socket: fetch and node:http pool connections and ask again behind one's back. */
export function openConnection(target: HttpTarget): HttpConnection {
  let socket: Bun.Socket | undefined;
  let current: Current | undefined;
  let isReady = false;
  let isUsable = true;

  function finish(outcome: Outcome, keep: boolean): void {
    const { resolve } = current ?? {};
    current = undefined;
    if (!keep) close();
    resolve?.(outcome);
  }

  function close(): void {
    isUsable = false;
    socket?.end();
  }

  function fail(reason: string): void {
    isUsable = false;
    finish({ failure: reason }, true);
    socket?.terminate();
  }

  function flush(): void {
    if (!isReady || current === undefined || current.unsent.length === 0) return;
    const written = socket?.write(current.unsent) ?? 0;
    if (written > 0) current.unsent = current.unsent.subarray(written);
  }

  function receive(bytes: Uint8Array): void {
    // Nobody has asked: a proxy's word that it is about to close.
    if (current === undefined) return close();
    try {
      const answer = current.reader.push(bytes);
      // An answer before the end of the request leaves the rest of it in the way of the next one.
      if (answer !== undefined) finish({ answer }, answer.keepsOpen && current.unsent.length === 0);
    } catch {
      fail("malformed");
    }
  }

  function closed(reason: string): void {
    isUsable = false;
    const answer = reason === "closed" ? current?.reader.end() : undefined;
    if (answer === undefined) fail(reason);
    else finish({ answer }, false);
  }

  function ready(): void {
    isReady = true;
    flush();
  }

  Bun.connect({
    hostname: target.hostname,
    port: target.port,
    ...(target.tls === undefined ? {} : { tls: { ...target.tls, rejectUnauthorized: true } }),
    socket: {
      binaryType: "buffer",
      open(opened) {
        socket = opened;
        if (!isUsable) opened.terminate();
        else if (target.tls === undefined) ready();
      },
      handshake(_socket, success, error) {
        if (success && error === null) ready();
        else fail(`certificate: ${error?.message ?? "refused"}`);
      },
      data: (_socket, bytes) => receive(bytes),
      drain: flush,
      end: () => closed("closed"),
      close: (_socket, error) => closed(error === undefined ? "closed" : nameOf(error)),
      error: (_socket, error) => fail(nameOf(error)),
      connectError: (_socket, error) => fail(nameOf(error)),
    },
  }).catch((error: unknown) => fail(nameOf(error)));

  return {
    ask(request) {
      return new Promise((resolve) => {
        current = { reader: answerReader(), unsent: request, resolve };
        flush();
      });
    },
    isUsable: () => isUsable,
    fail,
    close,
  };
}

function nameOf(error: unknown): string {
  const code = Coded.safeParse(error).data?.code ?? String(error);
  return FAILURES[code] ?? code;
}
