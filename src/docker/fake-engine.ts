import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { DockerHost } from "./host.ts";

type Answer = Response | Promise<Response>;

/** For tests: an HTTP server on a unix socket that answers as an engine would, `/_ping` included. */
export type FakeEngine = AsyncDisposable & {
  host: DockerHost;
  /** `METHOD /path?query` of every request, in order. */
  requests: string[];
  headers: Headers[];
};

export function fakeEngine(
  answer: (request: Request, url: URL) => Answer,
  options: { apiVersion?: string; path?: string } = {},
): FakeEngine {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  const unix = options.path ?? join(folder, "docker.sock");
  const requests: string[] = [];
  const headers: Headers[] = [];
  const server = Bun.serve({
    unix,
    development: false,
    // Bun prints an error of a body it was to send; the ones here are meant.
    error: () => new Response("", { status: 500 }),
    fetch(request) {
      const url = new URL(request.url);
      requests.push(`${request.method} ${url.pathname}${decodeURIComponent(url.search)}`);
      headers.push(request.headers);
      if (url.pathname === "/_ping") {
        const apiVersion = options.apiVersion ?? "1.41";
        return new Response("OK", {
          headers: { "api-version": apiVersion, server: "Docker/20.10.24 (linux)" },
        });
      }
      return answer(request, url);
    },
  });
  return {
    host: { text: `unix://${unix}`, origin: "http://docker", unix },
    requests,
    headers,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A body in these pieces, each sent on its own; `cut` breaks the connection after the last. */
export function pieces(
  parts: readonly (string | Uint8Array)[],
  end: "close" | "cut" | "hang" = "close",
): Response {
  const encoder = new TextEncoder();
  return new Response(
    new ReadableStream<Uint8Array>({
      async start(controller) {
        for (const part of parts) {
          controller.enqueue(typeof part === "string" ? encoder.encode(part) : part);
          await Bun.sleep(5);
        }
        if (end === "close") controller.close();
        if (end === "cut") controller.error(new Error("cut"));
      },
    }),
  );
}
