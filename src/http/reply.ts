import type { ContentfulStatusCode } from "hono/utils/http-status";

import { type DeployerError, type ErrorCode, errorCode, publicMessage } from "../core/errors.ts";
import { prefersJson } from "./accept.ts";
import type { HttpContext } from "./context.ts";

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";
const RETRY_AFTER_SECONDS = "30";

/** The one place where codes become statuses. */
const STATUS: Record<ErrorCode, ContentfulStatusCode> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  superseded: 409,
  too_large: 413,
  not_deployable: 422,
  queue_full: 429,
  shutting_down: 503,
  config: 500,
  compose_file: 500,
  docker: 500,
  registry_denied: 500,
  image_not_found: 500,
  registry_unavailable: 500,
  wrong_platform: 500,
  disk_full: 500,
  before: 500,
  edge: 500,
  unhealthy: 500,
  rollout: 500,
  interrupted: 500,
  internal: 500,
};

/** Where a failure of ours is that of an update. */
const UPDATING = new Set(["/deploy", "/rollback"]);

/** Text with one newline at its end, or `json` for callers that asked for JSON. */
export function reply(c: HttpContext, status: ContentfulStatusCode, text: string, json: unknown): Response {
  if (prefersJson(c.req.header("Accept"))) return replyJson(c, status, json);
  return c.body(`${text}\n`, status, { "Content-Type": TEXT });
}

/** JSON whatever the caller asked for. */
export function replyJson(c: HttpContext, status: ContentfulStatusCode, json: unknown): Response {
  return c.body(`${JSON.stringify(json)}\n`, status, { "Content-Type": JSON_TYPE });
}

/** An error as text, or as `{"error":{"code","message"}}` with the fields of `more` beside it. */
export function replyError(
  c: HttpContext,
  status: ContentfulStatusCode,
  error: Pick<DeployerError, "code" | "message">,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const { code, message } = error;
  return reply(c, status, message, { error: { code, message }, ...more });
}

/** The reply to anything thrown. What a stranger's error says, and why a token was refused, is for the log only. */
export function replyThrown(c: HttpContext, error: unknown): Response {
  const code = errorCode(error);
  if (code === "unauthorized") c.header("WWW-Authenticate", "Bearer");
  if (code === "queue_full" || code === "shutting_down") c.header("Retry-After", RETRY_AFTER_SECONDS);
  return replyError(c, STATUS[code], { code, message: messageFor(c, code, error) });
}

function messageFor(c: HttpContext, code: ErrorCode, error: unknown): string {
  if (code === "unauthorized" || code === "forbidden") return code;
  const message = publicMessage(error);
  return STATUS[code] === 500 && UPDATING.has(c.req.path) ? updateFailed(message) : message;
}

/** The original's words, then what it never said. */
export function updateFailed(reason: string): string {
  return reason === "" ? "unable to update service" : `unable to update service\n${reason}`;
}
