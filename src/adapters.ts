import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Config } from "./config.ts";
import type { Compose } from "./core/compose.ts";
import type { Edge } from "./core/edge.ts";
import type { Engine, Registry } from "./core/engine.ts";
import type { Clock, Disk, Log, Probe } from "./core/ports.ts";
import { createCompose } from "./docker/compose.ts";
import { createDockerCredentials } from "./docker/credentials.ts";
import { createEngine } from "./docker/engine.ts";
import { dockerHost } from "./docker/host.ts";
import { createRegistry } from "./docker/registry.ts";
import { createEcrTokens, type EcrTokens } from "./ecr/token.ts";
import { createProxy } from "./haproxy/docker-proxy.ts";
import { createEdge as createHaproxyEdge } from "./haproxy/edge.ts";
import { systemDisk } from "./system/disk.ts";
import { httpProbe } from "./system/probe.ts";
import { run } from "./system/run.ts";
import { currentUser } from "./system/user.ts";
import type { Environment } from "./variables.ts";

/** The outside world as the configuration says. Nothing is contacted yet. */
export type Adapters = {
  engine: Engine;
  compose: Compose;
  registry: Registry;
  probe: Probe;
  disk: Disk;
  /** Undefined unless `REGISTRY_AUTH=ecr`. */
  ecrTokens: EcrTokens | undefined;
};

/** Errors: `config` for a DOCKER_HOST that cannot be used. */
export function createAdapters(config: Config, env: Environment, clock: Clock, log: Log): Adapters {
  const engine = createEngine({ host: dockerHost(env), clock });
  const ecrTokens = createTokens(config, clock, log);
  const docker = config.registryAuth === "none" ? {} : { docker: createDockerCredentials({ env, log }) };
  const ecr =
    ecrTokens === undefined || config.ecrDomain === undefined
      ? {}
      : { ecr: { domain: config.ecrDomain, tokens: ecrTokens } };
  return {
    engine,
    ecrTokens,
    probe: httpProbe,
    disk: systemDisk,
    compose: createCompose({ composeFile: config.composeFile, stateDir: config.stateDir, env, run, log }),
    registry: createRegistry({ engine, clock, log, ...docker, ...ecr }),
  };
}

/** The proxy in front. Nothing is contacted yet. */
export function createEdge(
  config: Config,
  env: Environment,
  parts: Pick<Adapters, "engine" | "compose" | "registry"> & { clock: Clock; log: Log },
): Edge {
  const { uid, gid } = currentUser(env);
  const { clock, log } = parts;
  const owner = { uid, gid };
  const folder = join(config.stateDir, "edge");
  return createHaproxyEdge({
    folder,
    proxy: createProxy({ ...parts, owner, folder }),
    clock,
    log,
    daemon: {
      address: `${hostOf(config.bindAddress)}:${config.port}`,
      speaksTls: config.tls !== undefined,
    },
    owner,
    ipv6: existsSync("/proc/net/if_inet6"),
  });
}

/** Where this host reaches what listens on an address. */
function hostOf(bindAddress: string | undefined): string {
  if (bindAddress === undefined || bindAddress === "0.0.0.0" || bindAddress === "::") return "127.0.0.1";
  return bindAddress.includes(":") ? `[${bindAddress}]` : bindAddress;
}

function createTokens(config: Config, clock: Clock, log: Log): EcrTokens | undefined {
  const { registryAuth, awsRegion, ecrDomain } = config;
  if (registryAuth !== "ecr" || awsRegion === undefined || ecrDomain === undefined) return undefined;
  return createEcrTokens({ region: awsRegion, domain: ecrDomain, clock, log });
}
