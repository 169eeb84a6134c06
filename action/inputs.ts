import { X509Certificate } from "node:crypto";

import { z } from "zod";

import { readOrigin } from "../src/client/origin.ts";
import { DeployerError } from "../src/core/errors.ts";
import { parseRun, type Run } from "../src/core/order.ts";
import { certificatesOf } from "../src/core/pem.ts";
import { unpackPem } from "../src/tokens/packed-pem.ts";

const DURATION = /^(\d{1,6})\s*([smh]?)$/;
/** GitHub itself ends a job after six hours; whoever has runners of their own may have more. */
const LONGEST_MS = 24 * 3_600_000;
const UNIT_MS: Readonly<Record<string, number>> = { "": 1_000, s: 1_000, m: 60_000, h: 3_600_000 };
/** `owner/repository/.github/workflows/deploy.yml@refs/heads/main` */
const WORKFLOW_REF = /^[^/]+\/[^/]+\/(.+?)@(?:refs\/.+|[0-9a-f]{40})$/;

/** What a step asks for. */
export type Inputs = {
  /** Origin of the daemon, without a slash at its end. */
  url: string;
  /** At least one. */
  services: string[];
  image: string | undefined;
  /** By service. */
  images: Record<string, string> | undefined;
  force: boolean;
  /** PEM of the key to sign with; undefined: GitHub's own token. */
  key: string | undefined;
  /** `iss` of what is signed with the key. */
  issuer: string;
  /** Of GitHub's token. */
  audience: string;
  /** How long to wait for the end of the deployment. */
  timeoutMs: number;
  /** PEM of the only authorities to be believed; undefined: those of Node.js. */
  ca: string | undefined;
  run: Run;
};

type Environment = Readonly<Record<string, string | undefined>>;

const Fields = z
  .object({
    url: z.string().min(1, "is required, the address of the daemon").transform(toOrigin),
    service: z.string(),
    services: z.string().transform(toList),
    image: z.string(),
    images: z.string().transform(toImages),
    force: z.enum(["", "true", "false"], "must be true or false"),
    key: z.string().transform(toPem),
    issuer: z.string(),
    audience: z.string(),
    timeout: z.string().transform(toMilliseconds),
    ca: z.string().transform(toCertificates),
  })
  .superRefine(({ service, services, image, images }, context) => {
    const say = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (service === "" && services.length === 0) say("service", "is required");
    if (service !== "" && services.length > 0) say("services", "is there beside service: one of the two");
    if (image !== "" && images !== undefined) say("images", "is there beside image: one of the two");
  });

/**
 * Reads the inputs of the step (`INPUT_…`, as the runner gives them) and which run of which workflow it is of.
 * Errors: `config`, naming every wrong input; a value is never quoted, it may be the key.
 */
export function readInputs(env: Environment): Inputs {
  const names = Object.keys(Fields.shape);
  const values = names.map((name) => [name, env[`INPUT_${name.toUpperCase()}`]?.trim() ?? ""]);
  const fields = Fields.safeParse(Object.fromEntries(values));
  if (!fields.success) {
    const problems = fields.error.issues.map(({ path, message }) => `input ${path.join(".")}: ${message}`);
    throw new DeployerError("config", problems.join("\n"));
  }
  const { url, service, services, image, images, force, key, issuer, audience, timeout, ca } = fields.data;
  return {
    url,
    services: service === "" ? services : [service],
    image: image === "" ? undefined : image,
    images,
    force: force === "true",
    key,
    issuer,
    audience: audience === "" ? url : audience,
    timeoutMs: timeout,
    ca,
    run: readRun(env),
  };
}

/** What must never be seen in the log: the key as it was given and as it is used. */
export function secretsOf(env: Environment): string[] {
  const given = env["INPUT_KEY"] ?? "";
  return [given, unpackPem(given) ?? ""].filter((secret) => secret.trim() !== "");
}

/** The order guard knows a workflow by its repository's number, which survives a new name, and its path. Errors: `config`. */
function readRun(env: Environment): Run {
  const path = WORKFLOW_REF.exec(env["GITHUB_WORKFLOW_REF"] ?? "")?.[1];
  const repository = env["GITHUB_REPOSITORY_ID"] ?? "";
  if (path === undefined || repository === "")
    throw new DeployerError(
      "config",
      "GITHUB_WORKFLOW_REF and GITHUB_REPOSITORY_ID are not set as GitHub's runner sets them",
    );
  return parseRun({
    workflow: `${repository}/${path}`,
    number: Number(env["GITHUB_RUN_NUMBER"]),
    attempt: Number(env["GITHUB_RUN_ATTEMPT"]),
  });
}

type Context = z.RefinementCtx<string>;

function toOrigin(text: string, context: Context): string {
  const origin = readOrigin(text);
  if (!("wrong" in origin)) return origin.url.origin;
  return refuse(context, "must be https://HOST or http://HOST, with a port if need be, and nothing else");
}

function toList(text: string): string[] {
  return text.split(/[\s,]+/).filter((name) => name !== "");
}

function toImages(text: string, context: Context): Record<string, string> | undefined {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  if (lines.length === 0) return undefined;
  const pairs = lines.map((line) => {
    const [service = "", ...rest] = line.split("=");
    return [service.trim(), rest.join("=").trim()] as const;
  });
  if (pairs.some(([service, image]) => service === "" || image === ""))
    return refuse(context, "must have SERVICE=IMAGE in each line");
  if (new Set(pairs.map(([service]) => service)).size < pairs.length)
    return refuse(context, "names a service twice");
  return Object.fromEntries(pairs);
}

function toPem(text: string, context: Context): string | undefined {
  if (text === "") return undefined;
  return unpackPem(text) ?? refuse(context, "is neither a PEM nor base64 of one");
}

function toMilliseconds(text: string, context: Context): number {
  const [, count = "", unit = ""] = DURATION.exec(text) ?? [];
  const milliseconds = Number(count) * (UNIT_MS[unit] ?? 0);
  if (milliseconds > 0 && milliseconds <= LONGEST_MS) return milliseconds;
  return refuse(context, "must be like 90s, 30m or 1h, and at most 24h");
}

function toCertificates(text: string, context: Context): string | undefined {
  if (text === "") return undefined;
  try {
    const certificates = certificatesOf(text).map((pem) => new X509Certificate(pem).toString());
    if (certificates.length > 0) return certificates.join("");
  } catch {
    // Said below.
  }
  return refuse(context, "holds no certificate in PEM, or one that cannot be read");
}

function refuse(context: Context, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}
