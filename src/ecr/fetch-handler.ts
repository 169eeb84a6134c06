/** The parts of the SDK's request that matter here. */
type SignedRequest = {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
};

/**
 * The AWS SDK's HTTP over `fetch`, for its `requestHandler`. Its own handler stands on `node:http`, which in Bun knows
 * nothing of `HTTPS_PROXY` and `NO_PROXY`. Instance metadata is asked by other means, never through a proxy.
 */
export function fetchHandler() {
  return {
    metadata: { handlerProtocol: "http/1.1" },
    async handle(request: SignedRequest, options: { abortSignal?: AbortSignal } = {}) {
      const response = await fetch(urlOf(request), {
        method: request.method,
        headers: { ...request.headers, "accept-encoding": "identity" },
        redirect: "error",
        ...(request.body === undefined ? {} : { body: request.body }),
        ...(options.abortSignal === undefined ? {} : { signal: options.abortSignal }),
      });
      return {
        response: {
          statusCode: response.status,
          reason: response.statusText,
          headers: Object.fromEntries(response.headers),
          body: new Uint8Array(await response.arrayBuffer()),
        },
      };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
  };
}

function urlOf({ protocol, hostname, port, path, query }: SignedRequest): string {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) url.searchParams.append(name, each ?? "");
  }
  return url.href;
}
