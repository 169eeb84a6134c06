import { errorCode, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { HttpContext } from "./context.ts";
import { CALLER_GONE } from "./wait.ts";

/** Asked every few seconds by load balancers and monitors: printed at debug only. */
const QUIET_PATHS = new Set(["/health", "/ready"]);

/** One line a request: never its query, headers or body. Why a token was refused stands here and nowhere else. */
export function logRequest(c: HttpContext, log: Log, requestId: string, milliseconds: number): void {
  const { method, path } = c.req;
  const fields = {
    method,
    path,
    status: c.res.status,
    ms: Math.round(milliseconds),
    request_id: requestId,
    remote: c.env.remote(),
  };
  if (c.error === undefined)
    return QUIET_PATHS.has(path) ? log.debug("request", fields) : log.info("request", fields);
  if (c.res.status === CALLER_GONE) return log.info("the caller did not wait for the answer", fields);
  const { error } = c;
  const code = errorCode(error);
  if (code === "unauthorized")
    log.warn("unauthorized request", { ...fields, cause: error.message, error: error.cause });
  else if (c.res.status === 500) log.error("request failed", { ...fields, error });
  else log.info("request", { ...fields, error: publicMessage(error) });
}
