import { verify } from "node:crypto";

import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { duplicateKey } from "./duplicate-keys.ts";
import { isObject } from "./json-object.ts";
import type { PublicKey } from "./keys.ts";

/** Characters. */
export const MAX_TOKEN_LENGTH = 8 * 1024;
const MAX_SHOWN_LENGTH = 20;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const BASE64URL = /^[A-Za-z0-9_-]+$/;
/** Each would let the token choose its key, or asks for rules that are not known here (RFC 8725 section 3.10, RFC 7515 section 4.1.11). */
const REFUSED_HEADERS = ["crit", "jwk", "jku", "x5c", "x5u"];

const Header = z.looseObject({ alg: z.string() });
const Issued = z.looseObject({ iss: z.string() });

/** A token that is well-formed; nothing in it is believed yet. */
export type Jws = {
  algorithm: string;
  header: Readonly<Record<string, unknown>>;
  signingInput: Buffer;
  signature: Buffer;
  payload: Buffer;
};

/**
 * Takes a compact JWS (RFC 7515) of at most 8 KiB apart, before any cryptography. Throws `unauthorized`.
 * Base64url is read strictly: one signature has one spelling.
 */
export function parseJws(token: string): Jws {
  if (token.length > MAX_TOKEN_LENGTH) throw refused(`token is longer than ${MAX_TOKEN_LENGTH} characters`);
  const [header, payload, signature, ...rest] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) {
    throw refused("token contains an invalid number of segments");
  }
  const fields = readHeader(decodeSegment(header, "header"));
  return {
    algorithm: fields.alg,
    header: fields,
    signingInput: Buffer.from(`${header}.${payload}`, "ascii"),
    payload: decodeSegment(payload, "claims"),
    signature: decodeSegment(signature, "signature"),
  };
}

/** The algorithm comes from the keys, never from the token, which may only repeat it. Throws `unauthorized`. */
export function checkAlgorithm({ algorithm }: Jws, keys: readonly PublicKey[]): void {
  const accepted: string[] = [...new Set(keys.map((key) => key.algorithm))];
  if (accepted.includes(algorithm)) return;
  if (accepted.length === 0) throw refused("there is no key to verify it with");
  throw refused(`signing method ${shown(algorithm)} is invalid; it must be ${accepted.join(" or ")}`);
}

/**
 * Whether one of the keys made the signature, with its own algorithm. `node:crypto` is asked directly: a refused RS256
 * token then costs a quarter of what jose spends on it.
 */
export function isSignedBy({ algorithm, signingInput, signature }: Jws, keys: readonly PublicKey[]): boolean {
  return keys.some((key) => key.algorithm === algorithm && verifySignature(key, signingInput, signature));
}

/** The JSON of the payload; call it once the signature is known to be good. Throws `unauthorized`. */
export function readClaims({ payload }: Jws): Record<string, unknown> {
  return parseObject(payload, "claims");
}

/** Whose token it says it is, to choose by what it is judged; undefined when it does not say. Nothing else may follow from it. */
export function unverifiedIssuer({ payload }: Jws): string | undefined {
  try {
    return Issued.parse(JSON.parse(UTF8.decode(payload))).iss;
  } catch {
    return undefined;
  }
}

function readHeader(bytes: Buffer): z.infer<typeof Header> {
  const header = parseObject(bytes, "header");
  const present = REFUSED_HEADERS.find((name) => Object.hasOwn(header, name));
  if (present !== undefined) throw refused(`token header has "${present}", which is never accepted`);
  const parsed = Header.safeParse(header);
  if (!parsed.success) throw refused("signing method (alg) is unspecified");
  return parsed.data;
}

function verifySignature({ algorithm, key }: PublicKey, data: Buffer, signature: Buffer): boolean {
  try {
    switch (algorithm) {
      case "RS256":
        return verify("sha256", data, key, signature);
      case "ES256":
        return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
      case "EdDSA":
        return verify(null, data, key, signature);
      default:
        return algorithm satisfies never;
    }
  } catch {
    return false;
  }
}

function decodeSegment(segment: string, name: string): Buffer {
  const bytes = Buffer.from(segment, "base64url");
  if (!BASE64URL.test(segment) || bytes.toString("base64url") !== segment) {
    throw refused(`could not base64 decode ${name}`);
  }
  return bytes;
}

/** A name that is there twice is refused: this reader would take the last, another the first (RFC 7515 section 4, RFC 7519 section 4). */
function parseObject(bytes: Buffer, name: "header" | "claims"): Record<string, unknown> {
  const { value, text } = parseJson(bytes, name);
  if (!isObject(value)) throw refused(`could not JSON decode ${name}`);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw refused(`token has ${shown(twice)} twice in its ${name}`);
  return value;
}

function parseJson(bytes: Buffer, name: string): { value: unknown; text: string } {
  try {
    const text = UTF8.decode(bytes);
    return { value: JSON.parse(text), text };
  } catch (cause) {
    throw refused(`could not JSON decode ${name}`, { cause });
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, MAX_SHOWN_LENGTH));
}

function refused(message: string, options?: ErrorOptions): DeployerError {
  return new DeployerError("unauthorized", message, options);
}
