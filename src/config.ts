import { existsSync } from "node:fs";

import { defaultRunDir, defaultStateDir, type User } from "./folders.ts";
import { type Environment, type Problem, readVariables, rulesFrom, type Variables } from "./variables.ts";

export type Config = {
  /** A PEM file, or a directory of them. Undefined: there are rules, which name their own. */
  jwtPublicKeyPath: string | undefined;
  /** Where the rules are; undefined: nowhere, and that is meant so. */
  rules: { file: string; isRequired: boolean } | undefined;
  /** `iss` values that are accepted; undefined: any. */
  jwtIssuers: string[] | undefined;
  jwtMaxLifetimeSeconds: number;
  /** A POST needs a token that is good once and for one request. */
  jwtStrict: boolean;
  /** Addresses and networks whose X-Forwarded-For is believed. */
  trustedProxies: string[];
  /** As the operator wrote it; it may be missing, the daemon starts all the same. */
  composeFile: string;
  registryAuth: "ecr" | "docker" | "none";
  /** Always there when `registryAuth` is `ecr`. */
  awsRegion: string | undefined;
  /** `host[:port]`, the only registry the ECR token goes to. Always there when `registryAuth` is `ecr`. */
  ecrDomain: string | undefined;
  debugMode: boolean;
  /** 0 means any free port. */
  port: number;
  /** Undefined: all interfaces, IPv4 and IPv6. */
  bindAddress: string | undefined;
  /** Absolute. */
  stateDir: string;
  /** Absolute. */
  runDir: string;
  logTimeZone: string;
  /** HTTPS instead of HTTP on the port. Absolute. */
  tls: { certFile: string; keyFile: string } | undefined;
};

/** The original's `/config` reply: its keys, in its order, and after them what it had not. */
export type ConfigView = {
  version: string;
  port: string;
  debug_mode: boolean;
  aws_region: string;
  ecr_domain: string;
  docker_compose_file: string;
  jwt_public_key_path: string;
  /** Where it speaks HTTPS. */
  tls_cert_file?: string;
};

/**
 * The configuration, or everything that is wrong with it. An empty variable counts as one that is not set.
 * @param isThere whether a file exists
 */
export function checkConfig(
  env: Environment,
  user: User,
  isThere: (path: string) => boolean = existsSync,
): { config: Config } | { problems: Problem[] } {
  const read = readVariables(env, user, isThere);
  return "problems" in read ? read : { config: configFrom(read.variables, user) };
}

export function configView(config: Config, version: string): ConfigView {
  return {
    version,
    port: String(config.port),
    debug_mode: config.debugMode,
    aws_region: config.awsRegion ?? "",
    ecr_domain: config.ecrDomain ?? "",
    docker_compose_file: config.composeFile,
    jwt_public_key_path: config.jwtPublicKeyPath ?? "",
    ...(config.tls === undefined ? {} : { tls_cert_file: config.tls.certFile }),
  };
}

function configFrom(variables: Variables, user: User): Config {
  const stateDir =
    variables.STATE_DIR ?? variables.STATE_DIRECTORY ?? defaultStateDir(user, variables.XDG_STATE_HOME);
  return {
    jwtPublicKeyPath: variables.JWT_PUBLIC_KEY_PATH,
    rules: rulesFrom(variables.RULES_FILE),
    jwtIssuers: variables.JWT_ISSUERS,
    jwtMaxLifetimeSeconds: variables.JWT_MAX_LIFETIME,
    jwtStrict: variables.JWT_STRICT === "true",
    trustedProxies: variables.TRUSTED_PROXIES,
    composeFile: variables.DOCKER_COMPOSE_FILE,
    registryAuth: variables.REGISTRY_AUTH,
    awsRegion: variables.AWS_REGION,
    ecrDomain: variables.ECR_DOMAIN ?? privateRegistry(variables.ECR_ACCOUNT_ID, variables.AWS_REGION),
    debugMode: variables.DEBUG_MODE === "true",
    port: variables.PORT,
    bindAddress: variables.BIND_ADDRESS,
    stateDir,
    runDir: variables.RUN_DIR ?? variables.RUNTIME_DIRECTORY ?? defaultRunDir(user, stateDir),
    logTimeZone: variables.LOG_TIMEZONE,
    tls: tlsOf(variables),
  };
}

function tlsOf({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile }: Variables): Config["tls"] {
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
}

/** https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html; the regions in China have a domain of their own. */
function privateRegistry(account: string | undefined, region: string | undefined): string | undefined {
  if (account === undefined || region === undefined) return undefined;
  return `${account}.dkr.ecr.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}
