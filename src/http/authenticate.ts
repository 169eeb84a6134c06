import type { Caller, Permissions } from "../core/caller.ts";
import { DeployerError, type ErrorCode } from "../core/errors.ts";
import { readBody } from "./body.ts";
import { assertIsBound, assertIsFor, NO_BODY } from "./bound-token.ts";
import { type HttpContext, IDLE_SECONDS } from "./context.ts";
import type { Daemon } from "./daemon.ts";

/** A whole body must be there within so many seconds; a slow line gets more than the idle time, a drip does not. */
const BODY_SECONDS = 60;
/** RFC 6750, 2.1: the scheme in any case; the original tolerated spaces around the token. */
const BEARER = /^bearer[ \t]+([^ \t,]+)[ \t]*$/i;
const NONE: ReadonlySet<string> = new Set();
const NOTHING = { deploy: NONE, rollback: NONE, images: NONE };
const REFUSALS: ReadonlySet<ErrorCode> = new Set(["unauthorized", "forbidden"]);

/**
 * Who sent this request, which has no body, by its connection or its token. Errors: `unauthorized`, whatever is wrong with
 * that, and `forbidden` for a good token that no rule is for; the message is the cause, for the log only.
 */
export async function authenticate(c: HttpContext, daemon: Daemon): Promise<Caller> {
  const caller = await callerOf(c, daemon);
  assertIsFor(c, caller, NO_BODY, daemon);
  return caller;
}

/**
 * Who sent this request, which starts something, and its body, which is read when the token is good and then held against
 * what the token says of it. Errors: `unauthorized`, `forbidden`, `too_large`, `invalid`.
 */
export async function authenticateWithBody(
  c: HttpContext,
  daemon: Daemon,
): Promise<{ caller: Caller; body: Uint8Array }> {
  const caller = await callerOf(c, daemon);
  assertIsBound(caller);
  c.env.closeAfterIdle(BODY_SECONDS);
  const body = await readBody(c.req.raw).finally(() => c.env.closeAfterIdle(IDLE_SECONDS));
  assertIsFor(c, caller, body, daemon);
  return { caller, body };
}

/** What may be read of this one deployment: by whoever `authenticate` finds, or by the key that `Deployer-Read` gave. */
export async function authenticateReader(c: HttpContext, daemon: Daemon, id: string): Promise<Permissions> {
  const token = bearerToken(c);
  const key = token === undefined ? undefined : daemon.readKey(token, id);
  if (key !== undefined) return [{ ...NOTHING, read: "all", logs: key.output }];
  return (await authenticate(c, daemon)).may;
}

/** The caller of a request that needs none: undefined for no token and for one that is not accepted, which is noted. */
export async function authenticateIfAsked(c: HttpContext, daemon: Daemon): Promise<Caller | undefined> {
  if (c.env.caller === undefined && bearerToken(c) === undefined) return undefined;
  try {
    return await authenticate(c, daemon);
  } catch (error) {
    if (error instanceof DeployerError) c.set("refused", error);
    return undefined;
  }
}

/** The token of a request, good or not. */
export function bearerToken(c: HttpContext): string | undefined {
  return BEARER.exec(c.req.header("Authorization") ?? "")?.[1];
}

async function callerOf(c: HttpContext, daemon: Daemon): Promise<Caller> {
  if (c.env.caller !== undefined) return c.env.caller;
  const token = bearerToken(c);
  if (token === undefined) throw new DeployerError("unauthorized", "no token in the Authorization header");
  try {
    const caller = await daemon.verify(token);
    c.set("verified", true);
    return caller;
  } catch (error) {
    if (error instanceof DeployerError && REFUSALS.has(error.code)) throw error;
    // Fail closed: a fault of ours in the check is no way in, and looks like any refusal from outside.
    daemon.log.error("the check of a token failed", { error });
    throw new DeployerError("unauthorized", "the token could not be checked", { cause: error });
  }
}
