import type { Traffic } from "../core/edge.ts";
import { createLatencies } from "../core/latency.ts";
import { parseRequestLine, type RequestLine } from "./request-line.ts";

/** Requests by service, counted from lines of the proxy's log. */
export type Tally = {
  add(line: string): void;
  /** Of every service that was asked for, those without requests too. */
  traffic(): ReadonlyMap<string, Traffic>;
};

const SWITCHING_PROTOCOLS = 101;

export function createTally(services: readonly string[]): Tally {
  const counters = new Map(services.map((service) => [service, createCounter()]));
  return {
    add(line) {
      const request = parseRequestLine(line);
      if (request !== undefined) counters.get(request.backend)?.add(request);
    },
    traffic: () => new Map([...counters].map(([service, counter]) => [service, counter.traffic()])),
  };
}

function createCounter() {
  const latencies = createLatencies();
  const counts = { requests: 0, failed: 0, retried: 0, held: 0, refused: 0 };
  return {
    add(request: RequestLine) {
      counts.requests += 1;
      if (isFailed(request)) counts.failed += 1;
      if (request.isRetried) counts.retried += 1;
      if (request.hold !== undefined) counts[request.hold] += 1;
      // How long a WebSocket took to open says nothing of an answer.
      if (request.latencyMs !== undefined && request.status !== SWITCHING_PROTOCOLS)
        latencies.add(request.latencyMs);
    },
    traffic: (): Traffic => ({ ...counts, latency: latencies.summary() }),
  };
}

/**
 * Whatever did not end by itself, and not by its visitor (C, or c: he did not go on), was the proxy's answer (L, P, R, I), or
 * one of the service that was cut (S, s, D, K): section 8.5 of HAProxy's configuration manual. A WebSocket has had its answer
 * when it begins.
 */
function isFailed({ termination, status }: RequestLine): boolean {
  if (status === SWITCHING_PROTOCOLS) return false;
  const [by] = termination;
  return by !== "-" && by !== "C" && by !== "c";
}
