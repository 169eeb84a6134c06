import { ClientError } from "./client-error.ts";
import { LOST_PATIENCE_MS } from "./reach.ts";
import type { Transport } from "./transport.ts";

/** By the control socket of this host's daemon, which lets in nobody who needs a token. Under Bun only: `unix` is its own. */
export function overSocket(socket: string): Transport {
  return {
    place: socket,
    authorise: async () => undefined,
    async send({ method, target, headers, body, signal }) {
      const init: BunFetchRequestInit = {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal,
        unix: socket,
        // Bun would end it after minutes; every request has its own deadline.
        timeout: false,
        redirect: "error",
        decompress: false,
      };
      try {
        return await fetch(`http://host${target}`, init);
      } catch (error) {
        throw notReached(socket, error);
      }
    },
  };
}

function notReached(socket: string, cause: unknown): ClientError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EACCES" || code === "EPERM" || code === "FailedToOpenSocket")
    return new ClientError("unauthorized", `${socket}: permission denied; be root, or in the group docker`, {
      cause,
    });
  return new ClientError("unreachable", `no daemon at ${socket}: ${reasonOf(code, cause)}`, {
    cause,
    ...(code === "ECONNRESET" ? { patienceMs: LOST_PATIENCE_MS } : {}),
  });
}

function reasonOf(code: unknown, error: unknown): string {
  if (code === "ENOENT")
    return "there is no such socket; does it run (systemctl status deployer), with this RUN_DIR?";
  if (code === "ECONNREFUSED") return "nobody listens; it was killed (systemctl status deployer)";
  if (code === "ECONNRESET") return "it went away before it had answered";
  if (error instanceof Error && error.name === "TimeoutError") return "no answer in time";
  return error instanceof Error ? error.message : String(error);
}
