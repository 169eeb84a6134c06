import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";

import type { EcrTokens } from "./ecr-tokens.ts";
import { freePort } from "./free-port.ts";
import { type Fault, type FaultStatus, RegistryFaults, requestKind } from "./registry-faults.ts";
import type { Registry } from "./registry.ts";
import { sendBadly } from "./bad-line.ts";

/** One request to the registry, once answered. */
type RegistryRequest = {
  at: number;
  method: string;
  path: string;
  /** 0: no answer, or cut off. */
  status: number;
  /** Who signed in, if anybody. */
  user: string | undefined;
};

/** ECR's face on a real registry: its sign-in and error texts, faults on demand, and a record of every request. */
export type EcrRegistry = Registry & {
  faults: RegistryFaults;
  requests: readonly RegistryRequest[];
  /** All tokens expire when the next manifest has been sent: in the middle of a pull, before its layers. */
  expireAfterManifest(): void;
  /** Connections are refused until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

type ErrorBody = { status: number; code: string; message: string };

const EXPIRED: ErrorBody = {
  status: 403,
  code: "DENIED",
  message: "Your authorization token has expired. Reauthenticate and try again.",
};
const UNKNOWN_TOKEN: ErrorBody = {
  status: 403,
  code: "DENIED",
  message: "The security token included in the request is invalid.",
};

/** Codes and messages of the distribution specification, with ECR's words where they are known. */
const STATUS_BODIES: Record<Exclude<FaultStatus, 401>, Omit<ErrorBody, "status">> = {
  403: { code: "DENIED", message: "User is not authorized to perform: ecr:BatchGetImage" },
  404: { code: "MANIFEST_UNKNOWN", message: "Requested image not found" },
  429: { code: "TOOMANYREQUESTS", message: "Rate exceeded" },
  500: { code: "UNKNOWN", message: "internal error" },
  502: { code: "UNKNOWN", message: "bad gateway" },
  503: { code: "UNAVAILABLE", message: "service unavailable" },
};

/** Stands in front of `upstream` on a loopback port of its own and lets in whoever has a token of `tokens`. */
export async function startEcrRegistry(upstream: Registry, tokens: EcrTokens): Promise<EcrRegistry> {
  const port = freePort();
  const faults = new RegistryFaults();
  const requests: RegistryRequest[] = [];
  let expiresAfterManifest = false;
  let server: Server | undefined;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? "GET";
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    const login = readLogin(request.headers.authorization);
    const entry: RegistryRequest = { at: Date.now(), method, path, status: 0, user: login?.user };
    requests.push(entry);
    response.once("finish", () => {
      entry.status = response.statusCode;
    });

    if (login === undefined || login.user !== "AWS") return challenge(response, port);
    const verdict = tokens.judge(login.password);
    if (verdict !== "valid") return refuse(response, verdict === "expired" ? EXPIRED : UNKNOWN_TOKEN);

    const reply = await ask(upstream, request);
    const kind = requestKind(path);
    const fault = faults.take(method, kind, Number(reply.headers["content-length"] ?? 0));
    if (fault?.kind === "hang" || fault?.kind === "status" || fault?.kind === "expired") {
      reply.destroy();
      if (fault.kind === "expired") refuse(response, EXPIRED);
      if (fault.kind === "status") answerStatus(response, fault, port);
      return;
    }
    if (expiresAfterManifest && kind === "manifest" && method === "GET") {
      expiresAfterManifest = false;
      tokens.expireAll();
    }
    response.writeHead(reply.statusCode ?? 502, reply.headers);
    if (fault === undefined) reply.pipe(response);
    else await sendBadly(reply, response, fault);
    if (fault?.kind === "slow") entry.status = response.statusCode;
  }

  async function up(): Promise<void> {
    const started = createServer((request, response) => {
      handle(request, response).catch(() => response.destroy());
    });
    server = started;
    await new Promise<void>((resolve, reject) => {
      started.once("error", reject);
      started.listen(port, "127.0.0.1", resolve);
    });
  }

  async function down(): Promise<void> {
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    await new Promise<void>((resolve) => {
      closing.close(() => resolve());
      closing.closeAllConnections();
    });
  }

  await up();
  return {
    address: `127.0.0.1:${port}`,
    push: upstream.push,
    faults,
    requests,
    expireAfterManifest() {
      expiresAfterManifest = true;
    },
    down,
    up,
    stop: down,
    [Symbol.asyncDispose]: down,
  };
}

function ask(upstream: Registry, request: IncomingMessage): Promise<IncomingMessage> {
  const headers: Record<string, string | string[] | undefined> = {
    ...request.headers,
    ...upstream.push.headers,
  };
  delete headers["host"];
  if (upstream.push.headers["Authorization"] === undefined) delete headers["authorization"];
  return new Promise((resolve, reject) => {
    const forwarded = httpRequest(
      upstream.push.origin + (request.url ?? "/"),
      { method: request.method ?? "GET", headers },
      resolve,
    );
    forwarded.once("error", reject);
    request.pipe(forwarded);
  });
}

/** What ECR answers without a sign-in, to `/v2/` above all; the docker client turns it into "no basic auth credentials". */
function challenge(response: ServerResponse, port: number): void {
  response.writeHead(401, {
    "Docker-Distribution-Api-Version": "registry/2.0",
    "Www-Authenticate": `Basic realm="http://127.0.0.1:${port}/",service="ecr.amazonaws.com"`,
    "Content-Type": "text/plain; charset=utf-8",
  });
  response.end("Not Authorized\n");
}

function answerStatus(
  response: ServerResponse,
  fault: Extract<Fault, { kind: "status" }>,
  port: number,
): void {
  if (fault.status === 401) return challenge(response, port);
  if (fault.retryAfter !== undefined) response.setHeader("Retry-After", String(fault.retryAfter));
  refuse(response, { status: fault.status, ...STATUS_BODIES[fault.status], ...fault.error });
}

function refuse(response: ServerResponse, { status, code, message }: ErrorBody): void {
  response.writeHead(status, {
    "Docker-Distribution-Api-Version": "registry/2.0",
    "Content-Type": "application/json; charset=utf-8",
  });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

function readLogin(header: string | undefined): { user: string; password: string } | undefined {
  const encoded = /^Basic (.+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
