import type { Deployment } from "../core/deployment.ts";
import { IDLE_SECONDS, type HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";

/** nginx's status for a caller that did not wait for the answer; only the log ever sees it. */
export const CALLER_GONE = 499;

/**
 * The deployment when it has ended, or undefined when that took longer than `seconds` (undefined: as long as it takes;
 * the deployment has its own deadlines). The connection stays open meanwhile. Errors: the signal's reason when the
 * caller goes away, which changes nothing for the deployment.
 */
export async function waitForEnd(
  c: HttpContext,
  daemon: Daemon,
  id: string,
  seconds: number | undefined,
): Promise<Deployment | undefined> {
  const enough = new AbortController();
  const timer = seconds === undefined ? undefined : setTimeout(() => enough.abort(), seconds * 1000);
  c.env.closeAfterIdle(0);
  try {
    return await daemon.ended(id, AbortSignal.any([c.req.raw.signal, enough.signal]));
  } catch (error) {
    if (enough.signal.aborted && !c.req.raw.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    // Left at 0 it would keep the connection open for ever after the answer.
    c.env.closeAfterIdle(IDLE_SECONDS);
  }
}

export function isCallerGone(c: HttpContext): boolean {
  return c.req.raw.signal.aborted;
}

/** What is sent to nobody. */
export function replyToNobody(): Response {
  return new Response(null, { status: CALLER_GONE });
}
