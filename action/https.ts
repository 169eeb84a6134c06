import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";

import type { Fetch } from "../src/client/over-url.ts";

/** Answers without a body (Fetch standard, "null body status"). */
const NO_BODY = new Set([101, 204, 205, 304]);

/**
 * As `fetch`, believing no certificate authority but the given one (PEM): the `fetch` of Node.js has no way to be told. The
 * body comes as it is sent, redirects are never followed.
 */
export function fetchBelieving(ca: string): Fetch {
  return (url, { method = "GET", headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const send = url.startsWith("https:") ? requestHttps : requestHttp;
      const outgoing = send(
        url,
        {
          method,
          headers: Object.fromEntries(new Headers(headers)),
          ca,
          ...(signal == null ? {} : { signal }),
        },
        (incoming) => {
          const status = incoming.statusCode ?? 0;
          const answer = NO_BODY.has(status)
            ? null
            : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
          resolve(new Response(answer, { status, headers: headersOf(incoming.rawHeaders) }));
        },
      );
      outgoing.on("error", reject);
      outgoing.end(typeof body === "string" ? body : undefined);
    });
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers();
  for (let index = 0; index + 1 < raw.length; index += 2)
    headers.append(raw[index] ?? "", raw[index + 1] ?? "");
  return headers;
}
