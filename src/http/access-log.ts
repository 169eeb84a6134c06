import { DeployerError, errorCode, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { bearerToken } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { toRejection } from "./rejection.ts";
import { CALLER_GONE } from "./wait.ts";

/** Asked every few seconds by load balancers and monitors: printed at debug only. */
const QUIET_PATHS = new Set(["/health", "/ready"]);

type Fields = {
  method: string;
  path: string;
  status: number;
  ms: number;
  request_id: string;
  remote: string;
};

/**
 * One line a request, a flood of refused ones apart: never its query, headers or body. Why a token was refused stands here
 * and among the rejected, and nowhere else.
 * @returns of a refused request, what becomes of it
 */
export function logRequest(
  c: HttpContext,
  daemon: Daemon,
  requestId: string,
  milliseconds: number,
): Verdict | undefined {
  const { method, path } = c.req;
  const fields = {
    method,
    path,
    status: c.res.status,
    ms: Math.round(milliseconds),
    request_id: requestId,
    remote: c.env.remote(),
  };
  const refusal = refusalOf(c);
  if (refusal !== undefined) return logRefusal(c, daemon, fields, refusal);
  logAnswer(c, daemon.log, fields);
  return undefined;
}

function logAnswer({ error, res }: HttpContext, log: Log, fields: Fields): void {
  if (error === undefined)
    return QUIET_PATHS.has(fields.path) ? log.debug("request", fields) : log.info("request", fields);
  if (res.status === CALLER_GONE) return log.info("the caller did not wait for the answer", fields);
  if (res.status === 500) log.error("request failed", { ...fields, error });
  else log.info("request", { ...fields, error: publicMessage(error) });
}

function logRefusal(c: HttpContext, daemon: Daemon, fields: Fields, { error, code }: Refusal): Verdict {
  const { method, path, remote } = fields;
  const cause = error.message;
  const verified = code === "forbidden" || c.get("verified") === true;
  const { isListed, isFlood } = daemon.refusals.judge({ remote, cause, verified });
  if (isListed) {
    daemon.log.warn(`${code} request`, { ...fields, cause, error: error.cause });
    const claims = daemon.shownClaims(bearerToken(c) ?? "");
    daemon.refusals.list(toRejection({ remote, method, path, code, cause, verified }, claims));
  }
  return { isSlowed: isFlood && !verified };
}

/** What becomes of the answer to a refused request: one with a good token is never late. */
export type Verdict = { isSlowed: boolean };

type Refusal = { error: DeployerError; code: "unauthorized" | "forbidden" };

/** Also of a request that needs no token, and was answered as if its bad one were none. */
function refusalOf(c: HttpContext): Refusal | undefined {
  const error = c.error ?? c.get("refused");
  const code = errorCode(error);
  if (!(error instanceof DeployerError) || (code !== "unauthorized" && code !== "forbidden"))
    return undefined;
  return { error, code };
}
