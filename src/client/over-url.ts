import { notReached } from "./reach.ts";
import type { Outgoing, RequestLine, Transport } from "./transport.ts";

/** As `fetch`; who needs a certificate authority of their own gives one that knows it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export type Remote = {
  /** Scheme, host and port: `https://deploy.example.com`. */
  url: string;
  /** A token good for this request. */
  authorise: (request: RequestLine) => Promise<string>;
  fetch?: Fetch;
};

/** By the port of a daemon, wherever it is. */
export function overUrl({ url, authorise, fetch = globalThis.fetch }: Remote): Transport {
  return {
    place: url,
    authorise,
    async send({ method, target, headers, body, signal }: Outgoing) {
      try {
        return await fetch(`${url}${target}`, {
          method,
          // A proxy may compress what the daemon does not, and Bun's fetch is told not to look.
          headers: { ...headers, "Accept-Encoding": "identity" },
          ...(body === undefined ? {} : { body }),
          signal,
          // Elsewhere the token would be somebody else's to read; where it leads is told.
          redirect: "manual",
        });
      } catch (error) {
        throw notReached(url, error);
      }
    },
  };
}
