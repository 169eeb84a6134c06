import { isAbsolute } from "node:path";

import { z } from "zod";

import { errorCode, publicMessage } from "./core/errors.ts";
import { dockerHost } from "./docker/host.ts";
import { defaultStateDir, firstPath, type User } from "./folders.ts";
import { readProxies } from "./http/address.ts";
import { DEFAULT_MAX_LIFETIME_SECONDS } from "./tokens/verify.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One thing wrong with one variable; `line` is the sentence to print. */
export type Problem = { variable: string; line: string };

/** Of the log (LOG_TIMEZONE). */
export const DEFAULT_TIME_ZONE = "America/Chicago";
const DEFAULT_PORT = 8686;
const RULES_FILE = "/etc/deployer-service/rules.yml";
/** RULES_FILE of whoever goes on without rules after there were some. */
const NO_RULES = "none";

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const NOT_SET = "environment variable not set; aborting startup";
const NOT_A_BOOLEAN = "environment variable must be set to 'true' or 'false'; aborting startup";

const absolutePath = z.string().refine(isAbsolute, "must be an absolute path");
const required = z.string({ error: NOT_SET });

const Variables = z.object({
  JWT_PUBLIC_KEY_PATH: z.string().optional(),
  RULES_FILE: z
    .string()
    .refine((text) => text === NO_RULES || isAbsolute(text), `must be an absolute path, or "${NO_RULES}"`)
    .optional(),
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
  TLS_CERT_FILE: absolutePath.optional(),
  TLS_KEY_FILE: absolutePath.optional(),
  JWT_ISSUERS: z
    .string()
    .transform(splitList)
    .refine((issuers) => issuers.length > 0, "must be one issuer or several, separated by commas")
    .optional(),
  JWT_MAX_LIFETIME: wholeNumber("must be a number of seconds, 1 or more", 1, Number.MAX_SAFE_INTEGER).default(
    DEFAULT_MAX_LIFETIME_SECONDS,
  ),
  JWT_STRICT: z.enum(["true", "false"], { error: "must be true or false" }).default("false"),
  TRUSTED_PROXIES: z.string().default("").transform(splitList).superRefine(areProxies),
});

export type Variables = z.infer<typeof Variables>;

/**
 * The variables, or everything that is wrong with them. An empty one counts as one that is not set.
 * @param isThere whether a file exists
 */
export function readVariables(
  env: Environment,
  user: User,
  isThere: (path: string) => boolean,
): { variables: Variables } | { problems: Problem[] } {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = Variables.safeParse(given);
  const problems = [
    ...missingKey(given, isThere),
    ...(parsed.error?.issues ?? []).map((issue) => problem(String(issue.path[0]), issue.message)),
    ...missingForRegistry(given),
    ...missingFolders(given, user),
    ...halfOfTls(given),
    ...unusableDockerHost(given),
  ];
  if (parsed.success && problems.length === 0) return { variables: parsed.data };
  return { problems };
}

/** Where RULES_FILE, or its absence, says that the rules are; undefined: nowhere, and that is meant so. */
export function rulesFrom(given: string | undefined): { file: string; isRequired: boolean } | undefined {
  if (given === NO_RULES) return undefined;
  return { file: given ?? RULES_FILE, isRequired: given !== undefined };
}

function problem(variable: string, message: string): Problem {
  return { variable, line: `${variable} ${message}` };
}

/** Rules name the keys of their issuers, if those have any. */
function missingKey(given: Environment, isThere: (path: string) => boolean): Problem[] {
  if (given["JWT_PUBLIC_KEY_PATH"] !== undefined) return [];
  const rules = rulesFrom(given["RULES_FILE"]);
  if (rules !== undefined && (rules.isRequired || isThere(rules.file))) return [];
  return [problem("JWT_PUBLIC_KEY_PATH", NOT_SET)];
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

function halfOfTls(given: Environment): Problem[] {
  const names = ["TLS_CERT_FILE", "TLS_KEY_FILE"];
  const missing = names.filter((name) => given[name] === undefined);
  if (missing.length !== 1) return [];
  return missing.map((name) => problem(name, "is needed too: a certificate and its key go together"));
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

function wholeNumber(message: string, least: number, most: number) {
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= least && value <= most, message);
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function areProxies(list: readonly string[], context: z.RefinementCtx): void {
  try {
    readProxies(list);
  } catch (error) {
    context.addIssue({ code: "custom", message: publicMessage(error) });
  }
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: name }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}
