import { createHash } from "node:crypto";

import { DeployerError } from "../core/errors.ts";
import type { RepeatKey } from "../core/repeat.ts";
import type { HttpContext } from "./context.ts";

const PRINTABLE_ASCII = /^[\x20-\x7e]{1,255}$/;

/** `Idempotency-Key` and the request it came with; undefined without the header. Errors: `invalid`. */
export function repeatKey(c: HttpContext, body: Uint8Array): RepeatKey | undefined {
  const key = c.req.header("Idempotency-Key");
  if (key === undefined) return undefined;
  if (!PRINTABLE_ASCII.test(key)) {
    throw new DeployerError("invalid", "Idempotency-Key must be 1 to 255 printable ASCII characters");
  }
  return {
    key,
    request: `${c.req.method} ${c.req.path} ${createHash("sha256").update(body).digest("hex")}`,
  };
}
