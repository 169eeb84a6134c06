import type { z } from "zod";

import { DeploymentAnswer, EventAnswer, ProgressAnswer } from "./answers.ts";
import { ClientError } from "./client-error.ts";
import { readMessages } from "./event-stream.ts";
import type { Watchdog } from "./watchdog.ts";

/** What comes of a deployment that is followed: its events, how far a pull has come, then itself when it has ended. */
export type Story = { event: EventAnswer } | { progress: ProgressAnswer } | { ended: DeploymentAnswer };

/**
 * Reads a stream to its end, which is early when it is cut, or when nothing comes for too long.
 * Errors: `ClientError` for a message that is there and cannot be read.
 */
export async function* readStory(
  answer: Response,
  watchdog: Watchdog,
): AsyncGenerator<Story, void, undefined> {
  if (answer.body === null) return;
  try {
    for await (const { event, data } of readMessages(watchdog.through(answer.body))) {
      if (event === "done") {
        yield { ended: parse(DeploymentAnswer, data, "the end of a deployment") };
        return;
      }
      if (event === "progress") yield { progress: parse(ProgressAnswer, data, "the progress of a pull") };
      else yield { event: parse(EventAnswer, data, "an event") };
    }
  } catch (error) {
    if (error instanceof ClientError) throw error;
    // Cut off in the middle: what was told so far is all there is.
  } finally {
    watchdog.end();
  }
}

function parse<T>(shape: z.ZodType<T>, text: string, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw notUnderstood(`${what}: no JSON`, { cause });
  }
  return understand(shape, json, what);
}

/** Errors: `unreachable` for what a daemon of this version does not say. */
export function understand<T>(shape: z.ZodType<T>, json: unknown, what: string): T {
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw notUnderstood(`${what}: ${issue?.path.join(".")} ${issue?.message}`);
}

function notUnderstood(why: string, options?: ErrorOptions): ClientError {
  return new ClientError(
    "unreachable",
    `the answer of the daemon is not understood (${why}); is it of another version?`,
    options,
  );
}
