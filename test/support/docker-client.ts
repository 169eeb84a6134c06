import { z } from "zod";

import { attempt, BASE_ENV, type Result, run } from "./run.ts";

/** One Docker as tests talk to it, wherever it runs. */
export type DockerClient = {
  /** `unix:///…`, for DOCKER_HOST. */
  host: string;
  /** Path of its socket. */
  socket: string;
  /** Runs the docker CLI against it, without the operator's own configuration; a non-zero exit throws. */
  docker(...args: string[]): Promise<Result>;
  /** As `docker`, but a non-zero exit is a result. */
  tryDocker(...args: string[]): Promise<Result>;
  /** One request to the Engine API, `path` without version: `/containers/json`. */
  api(path: string, init?: RequestInit): Promise<Response>;
  /** Waits for `docker info`'s moral equivalent: whether it answers now. */
  answers(): Promise<boolean>;
};

const API_DEADLINE = 120_000;
const PING_DEADLINE = 2_000;
const UNIX = "unix://";
const NO_HOME = "/nonexistent";

export function connectDocker(host: string): DockerClient {
  if (!host.startsWith(UNIX)) throw new Error(`not a unix socket: ${host}`);
  const socket = host.slice(UNIX.length);
  const env = { ...BASE_ENV, HOME: NO_HOME, DOCKER_HOST: host };
  return {
    host,
    socket,
    docker: (...args) => run(["docker", ...args], { env }),
    tryDocker: (...args) => attempt(["docker", ...args], { env }),
    api: (path, init) =>
      fetch(`http://docker${path}`, { unix: socket, signal: AbortSignal.timeout(API_DEADLINE), ...init }),
    async answers() {
      try {
        const reply = await fetch("http://docker/_ping", {
          unix: socket,
          signal: AbortSignal.timeout(PING_DEADLINE),
        });
        return reply.ok;
      } catch {
        return false;
      }
    },
  };
}

const Version = z.object({ Version: z.string(), ApiVersion: z.string() });

export async function engineVersion(client: DockerClient): Promise<{ version: string; apiVersion: string }> {
  const fields = Version.parse(await (await client.api("/version")).json());
  return { version: fields.Version, apiVersion: fields.ApiVersion };
}
