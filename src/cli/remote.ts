import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

import type { Client } from "../client/client.ts";
import { ClientError } from "../client/client-error.ts";
import { readOrigin } from "../client/origin.ts";
import { type Fetch, overUrl } from "../client/over-url.ts";
import type { Transport } from "../client/transport.ts";
import { certificatesOf } from "../core/pem.ts";
import { type Authoriser, signedBy, signedByGithub } from "../tokens/authoriser.ts";
import { GithubTokenError } from "../tokens/github-token.ts";
import type { PrivateKey } from "../tokens/keys.ts";
import { unpackPem } from "../tokens/packed-pem.ts";
import { type Arguments, type Options, UsageError } from "./arguments.ts";
import type { Io } from "./command.ts";
import { messageOf } from "./jwt-command.ts";
import { DEFAULT_ISSUER, KEY_VARIABLE, keyFromFile, keyFromVariable, parseKey } from "./signing-key.ts";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** How a daemon elsewhere is reached, and who asks. */
export const REMOTE_FLAGS = {
  url: { kind: "value" },
  key: { kind: "value" },
  "key-env": { kind: "value" },
  oidc: { kind: "flag" },
  iss: { kind: "value" },
  audience: { kind: "value" },
  ca: { kind: "value" },
} as const satisfies Options;

type RemoteArguments = Pick<Arguments, "flags" | "values">;

/**
 * The daemon that the flags name; without `--url` that of this host.
 * @param enough aborts when it has been waited for long enough
 * Errors: `UsageError`, `ClientError`.
 */
export function daemonOf(given: RemoteArguments, io: Io, enough?: AbortSignal): Client {
  const url = given.values.get("url");
  if (url !== undefined) return io.connect({ by: transportTo(originOf(url), given, io), enough });
  const stray = Object.keys(REMOTE_FLAGS).find((name) => given.values.has(name) || given.flags.has(name));
  if (stray !== undefined) throw new UsageError(`flag "--${stray}" needs --url`);
  return io.connect({ enough });
}

function transportTo(url: URL, given: RemoteArguments, io: Io): Transport {
  const ca = given.values.get("ca");
  const fetch = fetchWith(ca === undefined ? undefined : certificatesIn(ca));
  const transport = overUrl({ url: url.origin, authorise: authoriserOf(url.origin, given, io), fetch });
  if (url.protocol === "http:" && !LOOPBACK.has(url.hostname))
    io.stderr(
      `warning: ${url.origin} is not encrypted: who is on the way reads what is deployed and told, and may keep it from arriving; each token is good for its one request\n`,
    );
  return transport;
}

function originOf(text: string): URL {
  const read = readOrigin(text);
  if (!("wrong" in read)) return read.url;
  switch (read.wrong) {
    case "not http":
      throw new UsageError('flag "--url" needs https://HOST[:PORT]');
    case "user":
      throw new UsageError('flag "--url" takes no user and no password');
    case "path":
      throw new UsageError(`flag "--url" takes ${read.url?.origin} alone, without a path`);
    default:
      return read.wrong satisfies never;
  }
}

function authoriserOf(origin: string, { flags, values }: RemoteArguments, io: Io): Authoriser {
  const ways = ["key", "key-env", "oidc"].filter((name) => values.has(name) || flags.has(name));
  const [way, other] = ways;
  if (other !== undefined) throw new UsageError(`flags "--${way}" and "--${other}": one of the two`);
  if (way === "oidc") {
    if (values.has("iss")) throw new UsageError('flag "--iss" is for keys; GitHub names itself');
    return orUnauthorized(signedByGithub(values.get("audience") ?? origin, io.env));
  }
  if (values.has("audience")) throw new UsageError('flag "--audience" needs --oidc');
  return signedBy(signingKey(values, io), { issuer: values.get("iss") ?? DEFAULT_ISSUER, now: io.now });
}

function orUnauthorized(authorise: Authoriser): Authoriser {
  return async (line) => {
    try {
      return await authorise(line);
    } catch (error) {
      if (!(error instanceof GithubTokenError)) throw error;
      throw new ClientError("unauthorized", error.message, { cause: error });
    }
  };
}

function signingKey(values: Arguments["values"], { env }: Io): PrivateKey {
  const file = values.get("key");
  const variable = values.get("key-env") ?? (env[KEY_VARIABLE] ? KEY_VARIABLE : undefined);
  if (file === undefined && variable === undefined)
    throw new UsageError(`--url needs --key FILE, --key-env VARIABLE (or ${KEY_VARIABLE}) or --oidc`);
  try {
    if (file !== undefined) return keyFromFile(file);
    const pem = unpackPem(env[variable ?? ""] ?? "");
    // The jwt tool wants base64 alone, as the original did; it says what is wrong with a value that is neither.
    return pem === undefined ? keyFromVariable(variable ?? "", env) : parseKey(pem, "env");
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause });
  }
}

/** @param ca trusted instead of the public ones */
function fetchWith(ca: readonly string[] | undefined): Fetch {
  const more: BunFetchRequestInit = {
    // Bun would end it after minutes; every request has its own deadline.
    timeout: false,
    decompress: false,
    ...(ca === undefined ? {} : { tls: { ca: [...ca] } }),
  };
  return (url, init) => fetch(url, { ...init, ...more });
}

function certificatesIn(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`flag "--ca": ${messageOf(cause)}`, { cause });
  }
  try {
    const certificates = certificatesOf(text).map((pem) => new X509Certificate(pem).toString());
    if (certificates.length > 0) return certificates;
  } catch (cause) {
    throw new UsageError(`flag "--ca": ${path} holds a certificate that cannot be read`, { cause });
  }
  throw new UsageError(`flag "--ca": ${path} holds no certificate in PEM`);
}
