import { readFileSync } from "node:fs";

import { checkClaims } from "../tokens/claims.ts";
import { checkAlgorithm, isSignedBy, parseJws, readClaims } from "../tokens/jws.ts";
import { type Algorithm, type PublicKey, readPublicKey } from "../tokens/keys.ts";
import { DEFAULT_MAX_LIFETIME_SECONDS } from "../tokens/verify.ts";
import { type JwtCommand, labelled, messageOf, usageOf } from "./jwt-command.ts";

const SIGNATURE_ERRORS: Record<Algorithm, string> = {
  RS256: "crypto/rsa: verification error",
  ES256: "crypto/ecdsa: verification error",
  EdDSA: "ed25519: verification error",
};

/** Checks signature, `exp` and `nbf`, and prints the claims; whether the daemon would refuse the token is said on stderr. */
export const verifyCommand: JwtCommand<"key" | "token"> = {
  name: "verify",
  flags: {
    key: { default: "public.pem", help: "public key or certificate PEM file" },
    token: { default: "", help: "the token to verify (required)" },
  },
  run({ key: file, token }, io) {
    if (token === "") {
      io.stderr(`Error: --token is required\n${usageOf(verifyCommand)}`);
      return 1;
    }
    const text = labelled("reading public key", () => readKeyFile(file));
    const key = labelled("parsing public key", () => readPublicKey(text));
    const claims = labelled("parsing token", () => readVerified(token, key, io.now()));
    io.stdout(`✅ Verified token claims:\n${describeClaims(claims, io.now())}`);
    const refusal = refusalOf(claims, io.now());
    if (refusal !== undefined)
      io.stderr(`note: deployer-service refuses this token: ${printable(refusal)}\n`);
    return 0;
  },
};

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const reasons: Record<string, string> = {
      ENOENT: `open ${file}: no such file or directory`,
      EACCES: `open ${file}: permission denied`,
      EISDIR: `read ${file}: is a directory`,
    };
    throw new Error(reasons[code] ?? messageOf(error), { cause: error });
  }
}

function readVerified(token: string, key: PublicKey, nowMs: number): Record<string, unknown> {
  const jws = labelled("token is malformed", () => parseJws(token));
  labelled("token signature is invalid", () => {
    checkAlgorithm(jws, [key]);
    if (!isSignedBy(jws, [key])) throw new Error(SIGNATURE_ERRORS[key.algorithm]);
  });
  const claims = labelled("token is malformed", () => readClaims(jws));
  const problems = timeProblems(claims, nowMs / 1000);
  if (problems.length > 0) throw new Error(`token has invalid claims: ${problems.join(", ")}`);
  return claims;
}

function timeProblems(claims: Record<string, unknown>, now: number): string[] {
  const { exp, nbf } = claims as { exp?: unknown; nbf?: unknown };
  const problems: string[] = [];
  if (exp !== undefined && typeof exp !== "number") problems.push("invalid type for claim: exp is invalid");
  if (typeof exp === "number" && exp <= now) problems.push("token is expired");
  if (nbf !== undefined && typeof nbf !== "number") problems.push("invalid type for claim: nbf is invalid");
  if (typeof nbf === "number" && nbf > now) problems.push("token is not valid yet");
  return problems;
}

function describeClaims(claims: Record<string, unknown>, nowMs: number): string {
  return Object.entries(claims)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `  ${printable(name)}: ${printable(describeClaim(name, value, nowMs))}\n`)
    .join("");
}

function describeClaim(name: string, value: unknown, nowMs: number): string {
  if (name === "exp" && typeof value === "number") return describeExpiry(value, nowMs);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** RFC 1123 in UTC, and the time left in Go's notation; a second beyond the calendar stays a number. */
function describeExpiry(exp: number, nowMs: number): string {
  const date = new Date(Math.trunc(exp) * 1000);
  if (Number.isNaN(date.getTime())) return String(exp);
  const left = Math.max(0, Math.round((date.getTime() - nowMs) / 1000));
  return `${date.toUTCString().replace("GMT", "UTC")} (in ${goDuration(left)})`;
}

function goDuration(seconds: number): string {
  const s = `${seconds % 60}s`;
  if (seconds < 60) return s;
  const m = `${Math.floor(seconds / 60) % 60}m${s}`;
  return seconds < 3600 ? m : `${Math.floor(seconds / 3600)}h${m}`;
}

function refusalOf(claims: Record<string, unknown>, nowMs: number): string | undefined {
  try {
    checkClaims(claims, { maxLifetimeSeconds: DEFAULT_MAX_LIFETIME_SECONDS }, nowMs);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What a token says may hold escape sequences and reversed text; a terminal must not act on them. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
