/** A web server in this process, as `load.ts` wants to be answered, in the place of a container. */
export type EdgeApp = {
  /** `METHOD path`, in the order of arrival. */
  requests: string[];
  headers: Record<string, string>[];
  /** As SIGKILL: all connections break. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** @param version X-Version and what GET answers; @param name X-Service */
export function startEdgeApp(options: {
  address: string;
  port: number;
  version: string;
  name?: string;
}): EdgeApp {
  const { address, port, version, name = "web" } = options;
  const requests: string[] = [];
  const headers: Record<string, string>[] = [];
  const server = Bun.serve({
    hostname: address,
    port,
    development: false,
    idleTimeout: 0,
    fetch: async (request, server) => {
      const { pathname, searchParams } = new URL(request.url, "http://nobody");
      requests.push(`${request.method} ${pathname}`);
      headers.push(Object.fromEntries(request.headers));
      if (pathname === "/socket")
        return server.upgrade(request) ? undefined : new Response("no", { status: 400 });
      if (pathname === "/slow") await Bun.sleep(Number(searchParams.get("ms")));
      const own = { "X-Service": name, "X-Version": version };
      if (request.method !== "POST") return new Response(version, { headers: own });
      const body = await request.bytes();
      const sha256 = new Bun.CryptoHasher("sha256").update(body).digest("hex");
      return Response.json({ sha256, length: body.length }, { headers: own });
    },
    websocket: {
      idleTimeout: 0,
      message: (socket, text) => void socket.send(`${version} ${text.toString()}`),
    },
  });
  return {
    requests,
    headers,
    kill: () => server.stop(true),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
