import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./free-port.ts";
import { claimsOf, type GithubClaims, type GithubJob, JOB, type SubjectForm } from "./github-claims.ts";
import { createTestCa } from "./test-ca.ts";

/** A stand-in for GitHub's issuer of identity tokens, over TLS, and for the side of it that runners talk to. */
export type OidcIssuer = {
  /** `https://localhost:<port>`: what a rule names as `issuer`. */
  url: string;
  /** The CA of its certificate, for NODE_EXTRA_CA_CERTS of whatever is to trust it. */
  caFile: string;
  /** What tokens are signed with now. */
  key(): OidcKey;
  /** From now on another key signs; with `overlap` the key set has the one before beside it. */
  rotate(overlap: boolean): OidcKey;
  /** From now on the key set is exactly this, until the next rotation. */
  publish(keys: readonly object[]): void;
  token(options?: TokenOptions): string;
  /** When the key set was asked for, in milliseconds since the epoch. */
  fetches: readonly number[];
  /** From now on the key set is answered like this. */
  failKeys(failure: KeysFailure): void;
  /** What a job with `id-token: write` has in its environment; each call is another job. */
  runner(options?: TokenOptions): RunnerVariables;
  /** The next `times` requests of runners fail (default: all until `recover`). */
  failRunners(failure: RunnerFailure, times?: number): void;
  recover(): void;
  /** Nobody listens at its port until `up`. */
  down(): Promise<void>;
  up(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

export type OidcKey = {
  kid: string;
  privateKey: KeyObject;
  /** As the key set has it. */
  jwk: Record<string, unknown>;
};

export type TokenOptions = {
  job?: Partial<GithubJob>;
  sub?: SubjectForm;
  /** Default: that of GitHub, `https://github.com/<owner>`. */
  audience?: string;
  /** Both are seen: 300 s (default) and 21,600 s. */
  lifeSeconds?: number;
  /** Over all others. */
  claims?: GithubClaims;
  header?: Record<string, unknown>;
  /** Default: the current one. */
  key?: OidcKey;
};

type RunnerVariables = {
  ACTIONS_ID_TOKEN_REQUEST_URL: string;
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: string;
};

/** `hang` says nothing, `drip` a byte a second, `huge` more than a megabyte; `elsewhere` redirects to the same keys. */
type KeysFailure = "error" | "html" | "malformed" | "hang" | "drip" | "huge" | "elsewhere";

/** `audience`: GitHub does not want to issue a token for it. */
type RunnerFailure = "unavailable" | "throttled" | "audience" | "hang" | "html";

const KEYS_PATH = "/.well-known/jwks";
const RUNNER_PATH = "/idtoken";
const NBF_BEFORE_IAT_SECONDS = 300;
const DRIP_MS = 1_000;
const HUGE_BYTES = 1_200_000;

export async function startOidcIssuer(): Promise<OidcIssuer> {
  const folder = mkdtempSync(join(tmpdir(), "dstest-oidc-"));
  const port = freePort();
  const url = `https://localhost:${port}`;
  const caFile = join(folder, "ca.pem");
  const tls = await certificateFor("localhost", caFile);
  const fetches: number[] = [];
  const jobs = new Map<string, TokenOptions>();
  let key = newOidcKey();
  let keys: readonly object[] = [key.jwk];
  let keysFailure: KeysFailure | undefined;
  let runnerFailure: { kind: RunnerFailure; left: number } | undefined;
  let server = listen();

  function listen() {
    return Bun.serve({ hostname: "localhost", port, tls, idleTimeout: 0, development: false, fetch: answer });
  }

  function answer(request: Request): Response | Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/.well-known/openid-configuration":
        return Response.json(discovery(url));
      case KEYS_PATH:
        fetches.push(Date.now());
        return keysFailure === undefined ? Response.json({ keys }) : failedKeys(keysFailure);
      case "/elsewhere":
        return Response.json({ keys });
      case RUNNER_PATH:
        return answerRunner(request, searchParams);
      default:
        return new Response(null, { status: 404 });
    }
  }

  function answerRunner(request: Request, query: URLSearchParams): Response | Promise<Response> {
    const bearer = /^bearer (.+)$/i.exec(request.headers.get("Authorization") ?? "")?.[1];
    const job = bearer === undefined ? undefined : jobs.get(bearer);
    if (job === undefined) return refusal(401, "The user is not authorized to access this resource.");
    const audience = query.get("audience") ?? undefined;
    const failure = nextRunnerFailure();
    if (failure !== undefined) return failedRunner(failure, audience);
    const value = token({ ...job, ...(audience === undefined ? {} : { audience }) });
    return Response.json({ count: value.length, value });
  }

  function nextRunnerFailure(): RunnerFailure | undefined {
    if (runnerFailure === undefined || runnerFailure.left <= 0) return undefined;
    runnerFailure.left--;
    return runnerFailure.kind;
  }

  function token(options: TokenOptions = {}): string {
    const job = { ...JOB, ...options.job };
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      jti: crypto.randomUUID(),
      iss: url,
      aud: options.audience ?? `https://github.com/${job.repository.split("/")[0]}`,
      iat,
      nbf: iat - NBF_BEFORE_IAT_SECONDS,
      exp: iat + (options.lifeSeconds ?? 300),
      ...claimsOf(job, options.sub),
      ...options.claims,
    };
    return signJwt(options.key ?? key, claims, options.header);
  }

  return {
    url,
    caFile,
    fetches,
    token,
    key: () => key,
    rotate(overlap) {
      const before = key;
      key = newOidcKey();
      keys = overlap ? [before.jwk, key.jwk] : [key.jwk];
      return key;
    },
    publish(published) {
      keys = published;
    },
    failKeys(failure) {
      keysFailure = failure;
    },
    runner(options = {}) {
      const bearer = randomBytes(24).toString("base64url");
      jobs.set(bearer, options);
      return {
        ACTIONS_ID_TOKEN_REQUEST_URL: `${url}${RUNNER_PATH}?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer,
      };
    },
    failRunners(kind, times = Number.POSITIVE_INFINITY) {
      runnerFailure = { kind, left: times };
    },
    recover() {
      keysFailure = undefined;
      runnerFailure = undefined;
    },
    down: () => server.stop(true),
    up() {
      server = listen();
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A key as GitHub publishes them: RS256, for signatures, with a kid that is a UUID. */
export function newOidcKey(kid: string = crypto.randomUUID()): OidcKey {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid } };
}

/** Text is taken for the claims as it is: a key may stand in it twice. */
export function signJwt(
  { kid, privateKey }: Pick<OidcKey, "kid" | "privateKey">,
  claims: object | string,
  header: Record<string, unknown> = {},
): string {
  const text = typeof claims === "string" ? claims : JSON.stringify(claims);
  const input = `${base64url(JSON.stringify({ alg: "RS256", typ: "JWT", kid, ...header }))}.${base64url(text)}`;
  return `${input}.${sign("sha256", Buffer.from(input), privateKey).toString("base64url")}`;
}

async function certificateFor(name: string, caFile: string): Promise<{ cert: string; key: string }> {
  using ca = await createTestCa();
  writeFileSync(caFile, ca.certificate);
  const { certificate, key } = await ca.issue(name);
  return { cert: certificate, key };
}

/** As far as anybody reads it (https://token.actions.githubusercontent.com/.well-known/openid-configuration). */
function discovery(url: string): object {
  return {
    issuer: url,
    jwks_uri: url + KEYS_PATH,
    subject_types_supported: ["public", "pairwise"],
    response_types_supported: ["id_token"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: ["openid"],
  };
}

function failedKeys(failure: KeysFailure): Response | Promise<Response> {
  switch (failure) {
    case "error":
      return new Response("Service Unavailable", { status: 503 });
    case "html":
      return html(200);
    case "malformed":
      return new Response('{"keys":[', { headers: { "Content-Type": "application/json" } });
    case "hang":
      return new Promise(() => {});
    case "drip":
      return new Response(drip());
    case "huge":
      return Response.json({ keys: [], padding: "x".repeat(HUGE_BYTES) });
    case "elsewhere":
      return new Response(null, { status: 302, headers: { Location: "/elsewhere" } });
    default:
      return failure satisfies never;
  }
}

/** Errors have the form that the Actions service gives all of its own. */
function failedRunner(failure: RunnerFailure, audience = ""): Response | Promise<Response> {
  switch (failure) {
    case "unavailable":
      return refusal(503, "The service is unavailable.");
    case "throttled":
      return refusal(429, "Request was blocked due to exceeding usage of resource.", { "Retry-After": "1" });
    case "audience":
      return refusal(403, `Can't issue ID_TOKEN for audience '${audience}'.`);
    case "hang":
      return new Promise(() => {});
    case "html":
      return html(502);
    default:
      return failure satisfies never;
  }
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Response {
  const body = { $id: "1", innerException: null, message, typeName: "GitHub.Actions.Error", errorCode: 0 };
  return Response.json(body, { status, headers });
}

function html(status: number): Response {
  const body = "<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>";
  return new Response(body, { status, headers: { "Content-Type": "text/html" } });
}

function drip(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await Bun.sleep(DRIP_MS);
      controller.enqueue(new Uint8Array([0x20]));
    },
  });
}

function base64url(text: string): string {
  return Buffer.from(text).toString("base64url");
}
