import { errorCode, publicMessage } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import type { HttpContext } from "./context.ts";

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
  const code = errorCode(c.error);
  if (code === "internal") log.error("request failed", { ...fields, error: c.error });
  else if (code === "unauthorized") log.warn("unauthorized request", { ...fields, cause: c.error.message });
  else log.info("request", { ...fields, error: publicMessage(c.error) });
}
