import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "./free-port.ts";
import { endProcess, startTied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** A registry, as pullers and publishers see it. */
export type Registry = {
  /** `host:port`, the first part of an image reference. */
  address: string;
  /** Where images are published to: the registry itself, never through faults. */
  push: { origin: string; headers: Readonly<Record<string, string>> };
};

export type RunningRegistry = Registry & {
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type RegistryOptions = {
  port?: number;
  /** One user that must log in (HTTP Basic); default: nobody has to. */
  login?: { user: string; password: string };
};

const START_DEADLINE = 20_000;
const START_ATTEMPTS = 3;
const UNAUTHORIZED = 401;

/** Starts a real docker-registry (CNCF distribution) on loopback, where Docker asks for no TLS. `stop` removes its data. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(options.port ?? freePort(), options);
    } catch (error) {
      // another process may have taken the free port in between
      if (options.port !== undefined || tries === START_ATTEMPTS) throw error;
    }
  }
}

async function start(port: number, { login }: RegistryOptions): Promise<RunningRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-registry-"));
  const log = join(dir, "log");
  const origin = `http://127.0.0.1:${port}`;
  if (login !== undefined)
    writeFileSync(join(dir, "users"), `${login.user}:${await bcrypt(login.password)}\n`);
  writeFileSync(join(dir, "config.json"), JSON.stringify(configOf(dir, port, login !== undefined)));
  const process = startTied(["docker-registry", "serve", join(dir, "config.json")], { log });

  async function stop(): Promise<void> {
    await endProcess(process);
    rmSync(dir, { recursive: true, force: true });
  }

  try {
    await waitFor("docker-registry to answer", START_DEADLINE, async () => {
      if (process.exitCode !== null) throw new Error(`docker-registry ended: ${await Bun.file(log).text()}`);
      return answers(origin);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const headers = login === undefined ? {} : { Authorization: basic(login.user, login.password) };
  return { address: `127.0.0.1:${port}`, push: { origin, headers }, stop, [Symbol.asyncDispose]: stop };
}

/** JSON is YAML, which the registry reads. */
function configOf(dir: string, port: number, withLogin: boolean): unknown {
  return {
    version: 0.1,
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, "data") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, relativeurls: true, secret: "test" },
    ...(withLogin ? { auth: { htpasswd: { realm: "test", path: join(dir, "users") } } } : {}),
  };
}

async function answers(origin: string): Promise<boolean> {
  try {
    const reply = await fetch(`${origin}/v2/`, { signal: AbortSignal.timeout(START_DEADLINE) });
    return reply.ok || reply.status === UNAUTHORIZED;
  } catch {
    return false;
  }
}

function bcrypt(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}
