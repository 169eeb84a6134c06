import { authenticateIfAsked } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { replyJson } from "./reply.ts";

/**
 * `GET /ready`: 200 or 503 with `{"ready","failing":[part],"<part>":"ok"|"failing",…}`, and `"details":{"<part>":text}`
 * for callers with a token: what is wrong may name images, paths and hosts.
 */
export async function getReady(c: HttpContext, daemon: Daemon): Promise<Response> {
  const [readiness, caller] = await Promise.all([daemon.readiness(), authenticateIfAsked(c, daemon)]);
  const problems = [...readiness].filter(([, problem]) => problem !== undefined);
  const isReady = problems.length === 0;
  return replyJson(c, isReady ? 200 : 503, {
    ready: isReady,
    failing: problems.map(([part]) => part),
    ...Object.fromEntries(
      [...readiness].map(([part, problem]) => [part, problem === undefined ? "ok" : "failing"]),
    ),
    ...(caller === undefined ? {} : { details: Object.fromEntries(problems) }),
  });
}
