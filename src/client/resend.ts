import { ClientError } from "./client-error.ts";
import type { Patience } from "./patience.ts";
import { LOST_PATIENCE_MS } from "./reach.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;
/** Of what an answer asks for, so that a proxy cannot keep anybody. */
const LONGEST_RETRY_AFTER_MS = 30_000;

/**
 * Does `send` until it is done, or its failure says that another try would change nothing, or patience ends: that of the
 * most patient failure, because a request whose answer was lost may have begun something, however it fails afterwards.
 * Errors: the last one of `send`.
 */
export async function resend<T>(send: () => Promise<T>, { now, sleep, say, enough }: Patience): Promise<T> {
  const beganAt = now();
  const isEnough = () => enough?.aborted === true;
  let patienceMs = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      const isHopeless = error.patienceMs === 0 && (patienceMs === 0 || error.code !== "unreachable");
      if (isHopeless) throw error;
      if (patienceMs === 0) say(`${error.message}; trying again`);
      patienceMs = Math.max(patienceMs, error.patienceMs);
      const waitMs = Math.min(error.retryAfterMs ?? pauseMs, LONGEST_RETRY_AFTER_MS);
      if (isEnough() || now() + waitMs - beganAt >= patienceMs) throw givenUp(error, patienceMs);
      await sleep(waitMs, enough);
      if (isEnough()) throw givenUp(error, patienceMs);
    }
  }
}

function givenUp(error: ClientError, patienceMs: number): ClientError {
  if (error.code !== "unreachable" || patienceMs < LOST_PATIENCE_MS) return error;
  const doubt = 'the request may have arrived all the same: look at "history" before you send another';
  return new ClientError(error.code, `${error.message}; ${doubt}`, { cause: error });
}
