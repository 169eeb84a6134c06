import { Hono } from "hono";

import { DeployerError } from "../core/errors.ts";
import { logRequest } from "./access-log.ts";
import { authenticate } from "./authenticate.ts";
import type { App, HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { postDeploy, postRollback } from "./deploy.ts";
import { getDeployment } from "./deployments.ts";
import { getEvents } from "./events.ts";
import { listDeployments } from "./listing.ts";
import { getReady } from "./ready.ts";
import { reply, replyJson, replyThrown } from "./reply.ts";
import { getServices } from "./services.ts";
import { isCallerGone, replyToNobody } from "./wait.ts";

/** One method of one path; HEAD comes with GET. */
export type Route = readonly [method: "GET" | "POST" | "DELETE", path: string, handler: Handler];

type Handler = (c: HttpContext, daemon: Daemon) => Response | Promise<Response>;

/** The longest body of a request whose answer is held back; one of ours has a few hundred bytes. */
const HELD_BODY_BYTES = 4_096;

/** One method a path. */
const ROUTES: readonly Route[] = [
  ["GET", "/health", getHealth],
  ["GET", "/ready", getReady],
  ["GET", "/version", getVersion],
  ["GET", "/config", getConfig],
  ["POST", "/deploy", postDeploy],
  ["POST", "/rollback", postRollback],
  ["POST", "/logout", postLogout],
  ["GET", "/deployments", listDeployments],
  ["GET", "/deployments/:id", getDeployment],
  ["GET", "/deployments/:id/events", getEvents],
  ["GET", "/services", getServices],
];

/** The HTTP side as a function from requests to responses; `serve` puts it on a port or a socket. */
export function createApp(daemon: Daemon, more: readonly Route[] = []): App {
  const app: App = new Hono();
  app.use(async (c, next) => {
    const begin = performance.now();
    const requestId = daemon.newRequestId();
    c.header("X-Request-Id", requestId);
    c.header("X-Content-Type-Options", "nosniff");
    await next();
    const verdict = logRequest(c, daemon, requestId, performance.now() - begin);
    if (verdict?.isSlowed && isCheapToHold(c)) await daemon.refusals.hold();
  });
  for (const [method, path, handler] of [...ROUTES, ...more]) {
    app.on(method, path, (c) => handler(c, daemon));
    // Judged before the token: whoever asks wrongly learns no more than that.
    app.all(path, (c) => {
      c.header("Allow", method === "GET" ? "GET, HEAD" : method);
      throw new DeployerError("method_not_allowed", "method not allowed");
    });
  }
  app.notFound((c) => replyThrown(c, new DeployerError("not_found", "404 page not found")));
  app.onError((error, c) => (isCallerGone(c) ? replyToNobody() : replyThrown(c, error)));
  return app;
}

/** Whatever comes of a body while its answer is held back stays in memory. */
function isCheapToHold(c: HttpContext): boolean {
  const length = Number(c.req.header("Content-Length") ?? 0);
  return c.req.header("Transfer-Encoding") === undefined && length <= HELD_BODY_BYTES;
}

/** The process lives; nothing else is checked. */
function getHealth(c: HttpContext): Response {
  return reply(c, 200, "deployer healthy", { message: "deployer healthy" });
}

function getVersion(c: HttpContext, { version }: Daemon): Response {
  return reply(c, 200, version, { version });
}

async function getConfig(c: HttpContext, daemon: Daemon): Promise<Response> {
  if (!daemon.debugMode) await authenticate(c, daemon);
  return replyJson(c, 200, daemon.configView);
}

function postLogout(c: HttpContext, daemon: Daemon): Response {
  if (!daemon.debugMode) throw new DeployerError("unauthorized", "POST /logout needs DEBUG_MODE=true");
  daemon.logout();
  return reply(c, 200, "docker logout successful", { message: "docker logout successful" });
}
