import { createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";

import { freePort } from "./free-port.ts";
import type { Registry } from "./registry.ts";

/** A registry that remembers who came with what. */
export type RecordingRegistry = Registry & {
  /** The Authorization header of every request so far, undefined for none. */
  authorizations: readonly (string | undefined)[];
  [Symbol.asyncDispose](): Promise<void>;
};

/** Stands in front of `upstream` on a loopback port of its own, and passes everything on as it is. */
export async function startRecordingRegistry(upstream: Registry): Promise<RecordingRegistry> {
  const port = freePort();
  const authorizations: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    passOn(upstream, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    address: `127.0.0.1:${port}`,
    push: upstream.push,
    authorizations,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function passOn(upstream: Registry, request: IncomingMessage, response: ServerResponse): void {
  const { host: _, ...headers } = request.headers;
  const forwarded = httpRequest(
    upstream.push.origin + (request.url ?? "/"),
    { method: request.method ?? "GET", headers },
    (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(response);
    },
  );
  forwarded.once("error", () => response.destroy());
  request.pipe(forwarded);
}
