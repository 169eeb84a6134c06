import type { Caller } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";

/** RFC 6750, 2.1: the scheme in any case; the original tolerated spaces around the token. */
const BEARER = /^bearer[ \t]+([^ \t,]+)[ \t]*$/i;

/** Who sent this request, by its connection or its token. Errors: `unauthorized`, whatever is wrong; its message is the cause, for the log only. */
export async function authenticate(c: HttpContext, daemon: Daemon): Promise<Caller> {
  if (c.env.caller !== undefined) return c.env.caller;
  const token = bearerToken(c);
  if (token === undefined) throw new DeployerError("unauthorized", "no bearer token");
  try {
    return await daemon.verify(token);
  } catch (error) {
    if (error instanceof DeployerError && error.code === "unauthorized") throw error;
    // Fail closed: a fault of ours in the check is no way in, and looks like any refusal from outside.
    daemon.log.error("the check of a token failed", { error });
    throw new DeployerError("unauthorized", "the token could not be checked", { cause: error });
  }
}

/** As `authenticate`, or by the key that `Deployer-Read` gave for this one deployment. */
export async function authenticateReader(c: HttpContext, daemon: Daemon, id: string): Promise<void> {
  const token = bearerToken(c);
  if (token === undefined || !daemon.mayRead(token, id)) await authenticate(c, daemon);
}

/** The caller of a request that needs none: undefined for no token and for one that is not accepted. */
export async function authenticateIfAsked(c: HttpContext, daemon: Daemon): Promise<Caller | undefined> {
  if (c.env.caller === undefined && bearerToken(c) === undefined) return undefined;
  try {
    return await authenticate(c, daemon);
  } catch {
    return undefined;
  }
}

function bearerToken(c: HttpContext): string | undefined {
  return BEARER.exec(c.req.header("Authorization") ?? "")?.[1];
}
