import { DeployerError } from "../core/errors.ts";
import { engineMessage, type Answer } from "./answer.ts";
import type { DockerHost } from "./host.ts";

/** One request to the Engine API. */
export type Call = {
  method: "GET" | "POST" | "DELETE";
  /** Below the version prefix: `/containers/json`. Checked to be plain by whoever builds it. */
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** For the whole answer with `send`, for its headers with `open`. */
  deadlineMs: number;
  signal?: AbortSignal;
};

/** HTTP to the Docker Engine. What cannot be reached or does not answer in time is a `docker` error; an aborted signal throws its reason. */
export interface Transport {
  ping: () => Promise<{ version: string; apiVersion: string }>;
  /** The whole answer, whatever its status. */
  send(call: Call): Promise<Answer>;
  /** The answer as it arrives, whatever its status; a body cut short throws when it is read. */
  open(call: Call): Promise<Response>;
}

export type Fetch = (url: string, init: BunFetchRequestInit) => Promise<Response>;

/** The newest Engine API this program was written for; an older engine is spoken to in its own version. */
const API_VERSION = "1.47";
/** `/distribution` came with 1.30 (Docker 17.06). */
const OLDEST_API_VERSION = "1.30";
const PING = "/_ping";
const PING_DEADLINE_MS = 2_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

const REASONS: Record<string, string> = {
  ENOENT: "there is no such socket; is Docker installed and running (systemctl start docker)?",
  ECONNREFUSED: "connection refused; is Docker running (systemctl start docker)?",
  EACCES: "permission denied; the daemon's user must be in the group docker",
};

/** A transport that negotiates the API version before the first call and again after every failure: Docker may have been upgraded. */
export function createTransport(host: DockerHost, fetch: Fetch = globalThis.fetch): Transport {
  let negotiated: Promise<string> | undefined;

  async function ping(): Promise<{ version: string; apiVersion: string }> {
    const response = await withDeadline(
      { method: "GET", path: PING, deadlineMs: PING_DEADLINE_MS },
      (signal) => exchange(PING, { method: "GET", signal }),
    );
    const apiVersion = response.headers.get("api-version");
    const isDocker = response.status === 200 && apiVersion !== null && /^\d+\.\d+$/.test(apiVersion);
    if (!isDocker)
      throw unreachable(host, `HTTP ${response.status} to a ping without an Api-Version; this is not Docker`);
    const version = response.headers.get("server")?.match(/^\S+?\/(\S+)/)?.[1] ?? "unknown";
    return { version, apiVersion };
  }

  async function negotiate(): Promise<string> {
    const { version, apiVersion } = await ping();
    if (isOlder(apiVersion, OLDEST_API_VERSION)) {
      throw new DeployerError(
        "docker",
        `Docker ${version} is too old: it offers API ${apiVersion}, needed is ${OLDEST_API_VERSION} or newer`,
      );
    }
    return isOlder(apiVersion, API_VERSION) ? apiVersion : API_VERSION;
  }

  async function exchange(target: string, init: BunFetchRequestInit): Promise<Response> {
    try {
      return await fetch(`${host.origin}${target}`, {
        ...init,
        ...(host.unix === undefined ? {} : { unix: host.unix }),
        // dockerd that is stopping takes no new connections, but still obeys on those it has. What it starts then it leaves
        // half done, and keeps its ports (moby/moby#20486): so whatever changes something, and the ping, come on a new one.
        keepalive: init.method === "GET" && target !== PING,
        // Bun would send loopback TCP through HTTP_PROXY.
        proxy: false,
        // Bun's own idle limit of minutes ends quiet streams; every call has its deadline here instead.
        timeout: false,
        // A redirect would leave the socket for TCP.
        redirect: "error",
        // A small gzip body could unfold to any size.
        decompress: false,
      });
    } catch (error) {
      negotiated = undefined;
      if (init.signal?.aborted === true) throw init.signal.reason;
      throw unreachable(host, reasonOf(error), error);
    }
  }

  async function versioned(call: Call, signal: AbortSignal): Promise<Response> {
    negotiated ??= negotiate().catch((error: unknown) => {
      negotiated = undefined;
      throw error;
    });
    const query = call.query === undefined ? "" : `?${new URLSearchParams(call.query).toString()}`;
    return exchange(`/v${await negotiated}${call.path}${query}`, {
      method: call.method,
      headers: {
        "accept-encoding": "identity",
        ...(call.body === undefined ? {} : { "content-type": "application/json" }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal,
    });
  }

  /** An engine upgraded under us refuses the old version without doing anything, so the call may be repeated. */
  async function request(call: Call, signal: AbortSignal): Promise<Response> {
    const response = await versioned(call, signal);
    if (response.status !== 400) return response;
    const text = await readText(response, host, call, signal);
    if (!/client version \S+ is too (?:new|old)/.test(engineMessage(text)))
      return new Response(text, { status: 400 });
    negotiated = undefined;
    return versioned(call, signal);
  }

  return {
    ping,
    send: (call) =>
      withDeadline(call, async (signal) => {
        const response = await request(call, signal);
        return { status: response.status, text: await readText(response, host, call, signal) };
      }),
    open: (call) => withDeadline(call, (signal) => request(call, signal)),
  };
}

/** Runs `work` under the call's own signal and deadline. The deadline ends with `work`, the signal lives as long as the body. */
async function withDeadline<T>(call: Call, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  call.signal?.throwIfAborted();
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    const seconds = call.deadlineMs / 1000;
    deadline.abort(
      new DeployerError("docker", `Docker did not answer ${call.method} ${call.path} within ${seconds} s`),
    );
  }, call.deadlineMs);
  try {
    return await work(
      call.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, call.signal]),
    );
  } finally {
    clearTimeout(timer);
  }
}

async function readText(
  response: Response,
  host: DockerHost,
  call: Call,
  signal: AbortSignal,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > MAX_ANSWER_BYTES) break;
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw unreachable(host, `the answer to ${call.method} ${call.path} was cut short`, error);
  }
  if (bytes > MAX_ANSWER_BYTES) {
    throw new DeployerError("docker", `Docker's answer to ${call.method} ${call.path} is too large`);
  }
  return text + decoder.decode();
}

function unreachable(host: DockerHost, reason: string, cause?: unknown): DeployerError {
  return new DeployerError("docker", `Docker is not reachable at ${host.text}: ${reason}`, { cause });
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? (code === "" ? "the request failed" : `the request failed (${code})`);
}

function isOlder(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA === majorB ? minorA < minorB : majorA < majorB;
}
