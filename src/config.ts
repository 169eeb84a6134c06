import { isAbsolute, join } from "node:path";

import { z } from "zod";

import { errorCode, publicMessage } from "./core/errors.ts";
import { dockerHost } from "./docker/host.ts";
import { DEFAULT_MAX_LIFETIME_SECONDS } from "./tokens/verify.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Who runs the daemon: decides the default folders. `home` may be empty. */
export type User = { uid: number; home: string };

export type Config = {
  /** A PEM file, or a directory of them. */
  jwtPublicKeyPath: string;
  /** `iss` values that are accepted; undefined: any. */
  jwtIssuers: string[] | undefined;
  jwtMaxLifetimeSeconds: number;
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
};

/** One thing wrong with one variable; `line` is the sentence to print. */
export type Problem = { variable: string; line: string };

/** The original's `/config` reply: its keys, in its order. */
export type ConfigView = {
  version: string;
  port: string;
  debug_mode: boolean;
  aws_region: string;
  ecr_domain: string;
  docker_compose_file: string;
  jwt_public_key_path: string;
};

/** Of the log (LOG_TIMEZONE). */
export const DEFAULT_TIME_ZONE = "America/Chicago";
const DEFAULT_PORT = 8686;
const PROGRAM = "deployer-service";
const ROOT_STATE_DIR = `/var/lib/${PROGRAM}`;
const ROOT_RUN_DIR = `/run/${PROGRAM}`;

/** Named in the contract, built later: a setting that would do nothing must not look as if it did. */
const NOT_BUILT_YET = ["TLS_CERT_FILE", "TLS_KEY_FILE", "RULES_FILE", "TRUSTED_PROXIES", "JWT_STRICT"];

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const NOT_SET = "environment variable not set; aborting startup";
const NOT_A_BOOLEAN = "environment variable must be set to 'true' or 'false'; aborting startup";

const absolutePath = z.string().refine(isAbsolute, "must be an absolute path");
const required = z.string({ error: NOT_SET });

const Variables = z.object({
  JWT_PUBLIC_KEY_PATH: required,
  DOCKER_COMPOSE_FILE: required,
  AWS_REGION: z
    .string()
    .regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, "must be a region such as us-west-2")
    .optional(),
  ECR_DOMAIN: z.string().regex(HOST, "must be host[:port], without https:// and without a path").optional(),
  ECR_ACCOUNT_ID: z
    .string()
    .regex(/^\d{12}$/, "must be an AWS account id of 12 digits")
    .optional(),
  DEBUG_MODE: z.enum(["true", "false"], {
    error: (issue) => (issue.input === undefined ? NOT_SET : NOT_A_BOOLEAN),
  }),
  PORT: wholeNumber("must be a port from 1 to 65535, or 0 for any free one", 0, 65_535).default(DEFAULT_PORT),
  BIND_ADDRESS: z
    .string()
    .regex(/^[0-9a-zA-Z.:%-]+$/, "must be an address or a host name")
    .optional(),
  STATE_DIR: absolutePath.optional(),
  STATE_DIRECTORY: z.string().transform(firstPath).pipe(absolutePath).optional(),
  XDG_STATE_HOME: z.string().optional(),
  RUN_DIR: absolutePath.optional(),
  RUNTIME_DIRECTORY: z.string().transform(firstPath).pipe(absolutePath).optional(),
  REGISTRY_AUTH: z.enum(["ecr", "docker", "none"], { error: "must be ecr, docker or none" }).default("ecr"),
  LOG_TIMEZONE: z
    .string()
    .refine(isTimeZone, "must be a time zone such as America/Chicago or UTC")
    .default(DEFAULT_TIME_ZONE),
  JWT_ISSUERS: z
    .string()
    .transform(splitList)
    .refine((issuers) => issuers.length > 0, "must be one issuer or several, separated by commas")
    .optional(),
  JWT_MAX_LIFETIME: wholeNumber("must be a number of seconds, 1 or more", 1, Number.MAX_SAFE_INTEGER).default(
    DEFAULT_MAX_LIFETIME_SECONDS,
  ),
});

type Variables = z.infer<typeof Variables>;

/** The configuration, or everything that is wrong with it. An empty variable counts as one that is not set. */
export function checkConfig(env: Environment, user: User): { config: Config } | { problems: Problem[] } {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = Variables.safeParse(given);
  const problems = [
    ...(parsed.error?.issues ?? []).map((issue) => problem(String(issue.path[0]), issue.message)),
    ...missingForRegistry(given),
    ...missingFolders(given, user),
    ...unusableDockerHost(given),
    ...NOT_BUILT_YET.filter((name) => given[name] !== undefined).map((name) =>
      problem(name, "is set, but this version does not support it yet; unset it"),
    ),
  ];
  if (parsed.success && problems.length === 0) return { config: configFrom(parsed.data, user) };
  return { problems };
}

/**
 * Where the control socket of a daemon may be, for commands that have none of its other settings: where RUN_DIR says, else
 * where a daemon of this user has it, else where one of root or of our unit has it.
 */
export function runDirs(env: Environment, user: User): string[] {
  const named = env["RUN_DIR"] || env["RUNTIME_DIRECTORY"];
  if (named) return [firstPath(named)];
  const stateDir = env["STATE_DIR"] || defaultStateDir(user, env["XDG_STATE_HOME"]);
  return user.uid === 0 ? [ROOT_RUN_DIR] : [join(stateDir, "run"), ROOT_RUN_DIR];
}

export function configView(config: Config, version: string): ConfigView {
  return {
    version,
    port: String(config.port),
    debug_mode: config.debugMode,
    aws_region: config.awsRegion ?? "",
    ecr_domain: config.ecrDomain ?? "",
    docker_compose_file: config.composeFile,
    jwt_public_key_path: config.jwtPublicKeyPath,
  };
}

function configFrom(variables: Variables, user: User): Config {
  const stateDir =
    variables.STATE_DIR ?? variables.STATE_DIRECTORY ?? defaultStateDir(user, variables.XDG_STATE_HOME);
  return {
    jwtPublicKeyPath: variables.JWT_PUBLIC_KEY_PATH,
    jwtIssuers: variables.JWT_ISSUERS,
    jwtMaxLifetimeSeconds: variables.JWT_MAX_LIFETIME,
    composeFile: variables.DOCKER_COMPOSE_FILE,
    registryAuth: variables.REGISTRY_AUTH,
    awsRegion: variables.AWS_REGION,
    ecrDomain: variables.ECR_DOMAIN ?? privateRegistry(variables.ECR_ACCOUNT_ID, variables.AWS_REGION),
    debugMode: variables.DEBUG_MODE === "true",
    port: variables.PORT,
    bindAddress: variables.BIND_ADDRESS,
    stateDir,
    runDir:
      variables.RUN_DIR ??
      variables.RUNTIME_DIRECTORY ??
      (user.uid === 0 ? ROOT_RUN_DIR : join(stateDir, "run")),
    logTimeZone: variables.LOG_TIMEZONE,
  };
}

function problem(variable: string, message: string): Problem {
  return { variable, line: `${variable} ${message}` };
}

function missingForRegistry(given: Environment): Problem[] {
  if ((given["REGISTRY_AUTH"] ?? "ecr") !== "ecr") return [];
  const noDomain = given["ECR_DOMAIN"] === undefined && given["ECR_ACCOUNT_ID"] === undefined;
  return [
    ...(given["AWS_REGION"] === undefined ? [problem("AWS_REGION", NOT_SET)] : []),
    ...(noDomain ? [problem("ECR_DOMAIN", NOT_SET)] : []),
  ];
}

function missingFolders(given: Environment, user: User): Problem[] {
  const hasFolder = given["STATE_DIR"] !== undefined || given["STATE_DIRECTORY"] !== undefined;
  if (hasFolder || isAbsolute(defaultStateDir(user, given["XDG_STATE_HOME"]))) return [];
  return [
    problem("STATE_DIR", "environment variable not set, and there is no home directory to fall back on"),
  ];
}

function unusableDockerHost(given: Environment): Problem[] {
  try {
    dockerHost(given);
    return [];
  } catch (error) {
    if (errorCode(error) !== "config") throw error;
    return [{ variable: "DOCKER_HOST", line: publicMessage(error) }];
  }
}

/** XDG Base Directory Specification: a relative `XDG_STATE_HOME` is to be ignored. */
function defaultStateDir(user: User, xdgStateHome: string | undefined): string {
  if (user.uid === 0) return ROOT_STATE_DIR;
  const isUsable = xdgStateHome !== undefined && isAbsolute(xdgStateHome);
  return join(isUsable ? xdgStateHome : join(user.home, ".local", "state"), PROGRAM);
}

/** https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html; the regions in China have a domain of their own. */
function privateRegistry(account: string | undefined, region: string | undefined): string | undefined {
  if (account === undefined || region === undefined) return undefined;
  return `${account}.dkr.ecr.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
}

function wholeNumber(message: string, least: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

/** systemd.exec(5): several `StateDirectory=` folders are joined by colons. */
function firstPath(list: string): string {
  return list.split(":", 1)[0] ?? "";
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}
