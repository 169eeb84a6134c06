import { ErrorAnswer } from "./answers.ts";
import { ClientError } from "./client-error.ts";
import { LOST_PATIENCE_MS } from "./reach.ts";

/** The daemon allows 30 s between the clocks. */
const CLOCK_LEEWAY_MS = 30_000;
/** A restart, or a proxy that did not get through: a later try may; so may one when the queue is shorter. */
const PASSING = new Set([429, 502, 503, 504]);

/** The body as JSON; undefined when it is none. Errors: `unreachable`. */
export async function readJson(answer: Response, place: string): Promise<unknown> {
  let text: string;
  try {
    text = await answer.text();
  } catch (cause) {
    throw new ClientError("unreachable", `no daemon at ${place}: its answer was cut off`, {
      cause,
      patienceMs: LOST_PATIENCE_MS,
    });
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What an answer that is no success says.
 * @param json its body
 * @param now milliseconds since the epoch
 */
export function refusal(answer: Response, json: unknown, place: string, now: number): ClientError {
  const worth = PASSING.has(answer.status)
    ? { patienceMs: LOST_PATIENCE_MS, retryAfterMs: retryAfter(answer) }
    : {};
  const parsed = ErrorAnswer.safeParse(json);
  if (!parsed.success) return notTheDaemon(answer, place, worth);
  const { code, message } = parsed.data.error;
  const ahead = now - Date.parse(answer.headers.get("Date") ?? "");
  return new ClientError(code, explained(code, message, place, ahead), worth);
}

/** @param ahead milliseconds that this machine's clock is ahead of the daemon's, which says the time with every answer */
function explained(code: string, message: string, place: string, ahead: number): string {
  if (code === "unauthorized")
    return `${place} does not accept the token${tokenHint(ahead)}. It tells nobody why; "deployer-service rejected" on its host does`;
  if (code === "forbidden")
    return `${place} knows the token, but its rules do not allow this; "deployer-service rejected" on its host says what`;
  return message;
}

function tokenHint(ahead: number): string {
  if (!(Math.abs(ahead) > CLOCK_LEEWAY_MS))
    return ": is the key one of its own, the issuer one it accepts, the audience its own?";
  const seconds = Math.round(Math.abs(ahead) / 1000);
  return `: the clock of this machine is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} its own`;
}

/** It may be a proxy's, or another server is at that address. */
export function notTheDaemon(
  answer: Response,
  place: string,
  worth: { patienceMs?: number; retryAfterMs?: number | undefined } = {},
): ClientError {
  const location = answer.headers.get("Location");
  const message =
    answer.status >= 300 && answer.status < 400 && location !== null
      ? `${place} sends its callers on to ${JSON.stringify(location)}; name the daemon itself`
      : `HTTP ${answer.status} from ${place}: this is not the daemon's answer`;
  return new ClientError("unreachable", message, worth);
}

function retryAfter(answer: Response): number | undefined {
  const seconds = answer.headers.get("Retry-After") ?? "";
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}
