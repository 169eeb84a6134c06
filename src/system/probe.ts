import { isIPv6 } from "node:net";

import { DeployerError } from "../core/errors.ts";
import type { Probe } from "../core/ports.ts";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed without an answer",
  EHOSTUNREACH: "no route to it",
  ENETUNREACH: "no route to it",
  Malformed_HTTP_Response: "the answer is not HTTP",
  UnrequestedUpgrade: "the answer is not plain HTTP",
};

/** HTTP/1.1, a connection of its own for each request: a kept one might end at a container that is gone. */
export const httpProbe: Probe = {
  async status(address, port, { path, host, headers }, deadlineMs) {
    const call = new AbortController();
    const late = new DeployerError("rollout", `GET ${path}: no answer within ${deadlineMs / 1000} s`);
    const timer = setTimeout(() => call.abort(late), deadlineMs);
    try {
      const response = await fetch(`http://${isIPv6(address) ? `[${address}]` : address}:${port}${path}`, {
        headers: requestHeaders(host, headers),
        signal: call.signal,
        keepalive: false,
        redirect: "manual",
        // Bun would take HTTP_PROXY.
        proxy: false,
        // The deadline is ours.
        timeout: false,
        // A small gzip body could unfold to any size.
        decompress: false,
      });
      return response.status;
    } catch (error) {
      if (call.signal.aborted) throw late;
      throw new DeployerError("rollout", `GET ${path}: ${reasonOf(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
      // The body, whatever its length, is none of our business; so is what is left of the connection.
      call.abort();
    }
  },
};

/** Names in any case: as a plain object, `Host` and `host` would become one header with two values. */
function requestHeaders(host: string | undefined, given: Readonly<Record<string, string>>): Headers {
  const headers = new Headers({ "user-agent": "deployer-service" });
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  if (host !== undefined) headers.set("host", host);
  headers.set("connection", "close");
  return headers;
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? (code === "" ? "the request failed" : `the request failed (${code})`);
}
