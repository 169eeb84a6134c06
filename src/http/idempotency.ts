import { createHash } from "node:crypto";

import type { Caller } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { RepeatKey } from "../core/repeat-key.ts";
import type { HttpContext } from "./context.ts";

const PRINTABLE_ASCII = /^[\x20-\x7e]{1,255}$/;

/**
 * What keeps this request from starting anything a second time: the `jti` of its token, then its `Idempotency-Key`, as far
 * as it has them. Errors: `invalid`.
 */
export function repeatKeys(
  c: HttpContext,
  { issuer, repository, token }: Caller,
  body: Uint8Array,
): RepeatKey[] {
  const header = c.req.header("Idempotency-Key");
  if (header !== undefined && !PRINTABLE_ASCII.test(header)) {
    throw new DeployerError("invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters");
  }
  const request = `${c.req.method} ${c.req.path} ${createHash("sha256").update(body).digest("hex")}`;
  const keys: RepeatKey[] = [];
  if (token?.id !== undefined)
    keys.push({ kind: "token", owner: "", key: token.id, request, goodUntil: token.expiresAt });
  const owner = repository === undefined ? issuer : `${issuer}/${repository}`;
  if (header !== undefined) keys.push({ kind: "header", owner, key: header, request, goodUntil: 0 });
  return keys;
}
