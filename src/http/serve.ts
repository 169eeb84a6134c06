import { type Caller, MAY_ALL } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { RunDir } from "../system/run-dir.ts";
import { within } from "../system/within.ts";
import { originOf, type Proxies, readProxies } from "./address.ts";
import { MAX_BODY_BYTES } from "./body.ts";
import { type App, IDLE_SECONDS } from "./context.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { controlRoutes, type Host } from "./control.ts";
import type { Daemon } from "./daemon.ts";
import { listenSecurely } from "./secure-listener.ts";
import { createApp } from "./server.ts";

/** Above it Bun answers 413 itself and closes; up to it the caller gets our words and may go on. */
const HARD_BODY_LIMIT_BYTES = 64 * MAX_BODY_BYTES;
/** For a listener that does not even end when its connections were cut. */
const FORCED_STOP_MS = 1_000;
const ABSOLUTE_URL = /^https?:\/\//;
const NO_PROXIES = readProxies([]);
/** Whoever gets through to the control socket: which person that is the kernel knows, we do not. */
const HOST: Caller = { issuer: "host", may: MAY_ALL, repository: undefined, token: undefined };

export type Server = {
  port: number;
  /** For callers on this host: `http://127.0.0.1:8686`, or `https://` where it has a certificate. */
  url: string;
  /** Accepts nothing new, lets what runs end, and cuts what is left after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
};

export type ServeOptions = {
  /** 0: any. */
  port: number;
  /** Undefined: all of the host. */
  bindAddress: string | undefined;
  /** HTTPS instead of HTTP. */
  certificates?: CertificateStore | undefined;
  /** Whose X-Forwarded-For is believed: addresses and networks. */
  trustedProxies?: readonly string[];
};

/** Listens. Errors: `config` when the address cannot be taken. */
export function serve(
  daemon: Daemon,
  { port, bindAddress, certificates, trustedProxies = [] }: ServeOptions,
): Server {
  const options = {
    ...(bindAddress === undefined ? {} : { hostname: bindAddress }),
    // Of a socket Bun lets nobody set it: it has the default, which is the same.
    idleTimeout: IDLE_SECONDS,
    ...answering(daemon, createApp(daemon), readProxies(trustedProxies)),
  };
  const server = listen(`${bindAddress ?? ""}:${port}`, () =>
    certificates === undefined
      ? // Bun's default with development off is true: a second daemon would take half of the connections in silence.
        Bun.serve({ ...options, port, reusePort: false })
      : listenSecurely(port, certificates, (port, { reusePort, certificate: { cert, key } }) =>
          Bun.serve({ ...options, port, reusePort, tls: { cert, key } }),
        ),
  );
  const scheme = certificates === undefined ? "http" : "https";
  const host =
    bindAddress === undefined || bindAddress === "0.0.0.0" ? "127.0.0.1" : (server.hostname ?? bindAddress);
  return {
    port: server.port ?? port,
    url: `${scheme}://${host}:${server.port ?? port}`,
    stop: (deadlineMs) => stop(server, deadlineMs),
  };
}

/**
 * Listens on the control socket: the same routes and those for commands on this host, without a token, for those whom
 * RUN_DIR lets in. Errors: `config`.
 */
export function serveControl(daemon: Daemon, host: Host, runDir: RunDir): Pick<Server, "stop"> {
  const app = createApp(daemon, controlRoutes(host));
  const server = listen(runDir.socket, () =>
    Bun.serve({ unix: runDir.socket, ...answering(daemon, app, NO_PROXIES, HOST) }),
  );
  runDir.open();
  return { stop: (deadlineMs) => stop(server, deadlineMs) };
}

function answering(daemon: Daemon, app: App, proxies: Proxies, caller?: Caller) {
  return {
    // Otherwise a fault is answered with a page that shows source code.
    development: false,
    maxRequestBodySize: HARD_BODY_LIMIT_BYTES,
    fetch(request: Request, server: Bun.Server<undefined>) {
      // Without a valid Host header Bun gives a relative URL, in which a router takes the first folder for the host.
      if (!ABSOLUTE_URL.test(request.url)) return badRequest(daemon.newRequestId());
      return app.fetch(request, {
        remote: () => {
          if (caller !== undefined) return caller.issuer;
          const peer = server.requestIP(request)?.address ?? "";
          return originOf(peer, request.headers.get("X-Forwarded-For"), proxies);
        },
        closeAfterIdle: (seconds) => server.timeout(request, seconds),
        ...(caller === undefined ? {} : { caller }),
      });
    },
    error(error: Error) {
      daemon.log.error("request failed outside its handler", { error });
      return plain(500, "internal error", daemon.newRequestId());
    },
  };
}

async function stop(
  server: { stop(closeConnections: boolean): Promise<void> },
  deadlineMs: number,
): Promise<void> {
  if (await within(deadlineMs, server.stop(false))) return;
  await within(FORCED_STOP_MS, server.stop(true));
}

function listen<T>(address: string, start: () => T): T {
  try {
    return start();
  } catch (cause) {
    throw new DeployerError("config", `cannot listen on ${address}: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EADDRINUSE") return "the port is already in use";
  if (code === "EACCES") return "permission denied; ports under 1024 are for root";
  if (code === "EADDRNOTAVAIL") return "this host does not have that address";
  return cause instanceof Error ? cause.message : String(cause);
}

function badRequest(requestId: string): Response {
  return plain(400, "bad request", requestId);
}

function plain(status: number, text: string, requestId: string): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Content-Type-Options": "nosniff",
      "X-Request-Id": requestId,
    },
  });
}
