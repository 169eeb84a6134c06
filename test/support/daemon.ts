import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type LogLine, LogLines } from "./daemon-log.ts";
import { freePort } from "./free-port.ts";
import { type Claims, type KeyPair, sharedKeys, signToken } from "./keys.ts";
import { BASE_ENV } from "./run.ts";
import { endProcess, tied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** The built program, running as a daemon with everything of its own: folders, port, keys. */
export type Daemon = {
  /** `http://127.0.0.1:<port>`, or `https://` where it has a certificate. */
  url: string;
  port: number;
  pid: number;
  /** Its whole environment. */
  env: Readonly<Record<string, string>>;
  stateDir: string;
  keys: KeyPair;
  /** Milliseconds from its exec to its first answer on /health; undefined unless that was waited for. */
  startedIn: number | undefined;
  token(claims?: Claims): Promise<string>;
  /** Any request; reply body as text. */
  request(method: string, path: string, init?: RequestOptions): Promise<Reply>;
  /** `POST /deploy` with a fresh token and the body as base64 of its JSON. */
  deploy(body: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** What it has printed on stdout so far, one entry a JSON line. */
  log(): readonly LogLine[];
  /** The first line, printed already or to come, that fits. */
  waitForLog(fits: (line: LogLine) => boolean, deadline?: number): Promise<LogLine>;
  /** Everything on stdout and stderr that was not a JSON line. */
  noise(): string;
  /** Resident memory in bytes. */
  rss(): number;
  /** Resolves with the exit code (a signal's number + 128) when it has ended. */
  exit: Promise<number>;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number>;
  /** Starts it once more with the same environment and folders; the old one must have ended. */
  startAgain(env?: Record<string, string>): Promise<Daemon>;
  /** Kills it if it runs, removes its folders. */
  [Symbol.asyncDispose](): Promise<void>;
};

type RequestOptions = {
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  deadline?: number;
};

export type Reply = { status: number; text: string; headers: Headers };

export type DaemonOptions = {
  /** Path of the program. */
  binary: string;
  /** `unix://…` */
  dockerHost: string;
  composeFile: string;
  /** What the registry is called in the compose file: `host:port`. */
  ecrDomain: string;
  /** The stand-in for AWS's ECR API. */
  ecrUrl: string;
  /** Over everything else; `""` unsets. */
  env?: Record<string, string>;
  keys?: KeyPair;
  args?: readonly string[];
  cwd?: string;
  /** Wait until /health answers; default true. */
  waitForHealth?: boolean;
};

const HEALTH_DEADLINE = 10_000;
const REQUEST_DEADLINE = 180_000;
const LOG_DEADLINE = 30_000;
const STOP_DEADLINE = 100_000;
const KILL_DEADLINE = 2_000;

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-daemon-"));
  const keys = options.keys ?? sharedKeys();
  for (const name of ["state", "run", "home"]) mkdirSync(join(dir, name), { mode: 0o700 });
  writeFileSync(join(dir, "deployer.pub"), keys.publicPem);
  const port = freePort();
  return launch(options, dir, keys, withoutEmpty({ ...environment(options, dir, port), ...options.env }));
}

async function launch(
  options: DaemonOptions,
  dir: string,
  keys: KeyPair,
  env: Record<string, string>,
): Promise<Daemon> {
  const port = Number(env["PORT"]);
  const url = `${env["TLS_CERT_FILE"] === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  const execAt = performance.now();
  const child = Bun.spawn(tied([options.binary, ...(options.args ?? [])]), {
    env,
    cwd: options.cwd ?? dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const lines = new LogLines();
  const read = Promise.all([lines.readFrom(child.stdout), lines.readFrom(child.stderr)]);
  const exit = child.exited.then(async (code) => {
    await Promise.race([read, Bun.sleep(KILL_DEADLINE)]);
    return code;
  });

  async function request(method: string, path: string, init: RequestOptions = {}): Promise<Reply> {
    const response = await fetch(url + path, {
      method,
      headers: init.headers ?? {},
      ...(init.body === undefined ? {} : { body: init.body }),
      redirect: "manual",
      // What its certificate is worth is for the tests of it to say.
      tls: { rejectUnauthorized: false },
      signal: AbortSignal.timeout(init.deadline ?? REQUEST_DEADLINE),
    });
    return { status: response.status, text: await response.text(), headers: response.headers };
  }

  const token = (claims?: Claims) => signToken(keys, claims);

  const daemon: Daemon = {
    url,
    port,
    pid: child.pid,
    env,
    stateDir: env["STATE_DIR"] ?? "",
    keys,
    startedIn: undefined,
    token,
    request,
    async deploy(body, headers) {
      return request("POST", "/deploy", {
        headers: { Authorization: `Bearer ${await token()}`, ...headers },
        body: Buffer.from(JSON.stringify(body)).toString("base64"),
      });
    },
    log: () => lines.entries,
    waitForLog: (fits, deadline = LOG_DEADLINE) =>
      waitFor("a log line", deadline, () => lines.entries.find(fits)).catch((cause: unknown) => {
        throw new Error(`no such log line; the last ones:\n${lines.tail()}`, { cause });
      }),
    noise: () => lines.noise,
    rss: () => residentBytes(child.pid),
    exit,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE);
      const code = await exit;
      clearTimeout(timer);
      return code;
    },
    async startAgain(more = {}) {
      await exit;
      return launch(options, dir, keys, withoutEmpty({ ...env, ...more }));
    },
    async [Symbol.asyncDispose]() {
      await endProcess(child, KILL_DEADLINE);
      rmSync(dir, { recursive: true, force: true });
    },
  };

  if (options.waitForHealth !== false) {
    await waitFor("/health", HEALTH_DEADLINE, () => {
      if (child.exitCode !== null)
        throw new Error(`the daemon ended with ${child.exitCode}:\n${lines.tail()}`);
      return request("GET", "/health", { deadline: HEALTH_DEADLINE }).then(
        (reply) => reply.status === 200,
        () => false,
      );
    }).catch(async (error: unknown) => {
      await daemon[Symbol.asyncDispose]();
      throw error;
    });
    daemon.startedIn = performance.now() - execAt;
  }
  return daemon;
}

function environment(options: DaemonOptions, dir: string, port: number): Record<string, string> {
  return {
    ...BASE_ENV,
    HOME: join(dir, "home"),
    PORT: String(port),
    STATE_DIR: join(dir, "state"),
    RUN_DIR: join(dir, "run"),
    DEBUG_MODE: "false",
    JWT_PUBLIC_KEY_PATH: join(dir, "deployer.pub"),
    DOCKER_COMPOSE_FILE: options.composeFile,
    DOCKER_HOST: options.dockerHost,
    AWS_REGION: "us-west-2",
    ECR_DOMAIN: options.ecrDomain,
    AWS_ENDPOINT_URL_ECR: options.ecrUrl,
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    AWS_EC2_METADATA_DISABLED: "true",
  };
}

function withoutEmpty(env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
