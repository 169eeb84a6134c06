import { timingSafeEqual } from "node:crypto";

import type { Caller } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";

/** What a request has no body for, or one that means nothing. */
export const NO_BODY = new Uint8Array();

/**
 * Holds a token to what it says of the request that it is for, whatever the method. What is hashed is the target that the
 * request is answered by: as Bun has read it, without `.` and `..`, so a token for one spelling may be refused under another,
 * and never accepted for something else. Errors: `unauthorized`.
 */
export function assertIsFor(
  c: HttpContext,
  { token }: Caller,
  body: Uint8Array,
  { requestHash }: Pick<Daemon, "requestHash">,
): void {
  if (token?.request === undefined) return;
  const { method, url } = c.req.raw;
  if (isSame(token.request, requestHash(method, targetOf(url), body))) return;
  throw new DeployerError(
    "unauthorized",
    "the token is for another request: its method, its path, its query or its body is another one",
  );
}

/** Errors: `unauthorized` for a token that would be good for anything, or for several times, where that is not enough. */
export function assertIsBound({ token }: Caller): void {
  if (token === undefined) return;
  const { id, request, needs } = token;
  if (needs.id && id === undefined) throw missing("jti, which makes it good once");
  if (needs.request && request === undefined) throw missing("req, which binds it to one request");
}

function missing(what: string): DeployerError {
  return new DeployerError("unauthorized", `the token has no ${what}, and must have it here`);
}

/** All that follows the host. */
function targetOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3));
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
