import type { DeploymentAnswer, EventAnswer, ProgressAnswer } from "./answers.ts";
import type { Client, Following } from "./client.ts";
import { ClientError } from "./client-error.ts";
import type { Patience } from "./patience.ts";

/** A restart of the daemon: its stop, which waits for the running deployment, and its start. */
const AWAY_MS = 150_000;
const TRY_EVERY_MS = 1_000;
/** A stream that ends sooner, and told nothing, is that of a daemon that is stopping. */
const SIGN_OF_LIFE_MS = 500;
/** What is said while the daemon, or the proxy before it, is not ready. */
const PASSING = new Set(["unreachable", "shutting_down", "queue_full"]);

/** Hears what comes of a deployment, each event once. */
export type Listener = { event(event: EventAnswer): void; progress?(progress: ProgressAnswer): void };

/**
 * Tells a deployment's story until it has ended, over cut connections and restarts of the daemon.
 * Errors: `ClientError`; the deployment goes on all the same.
 */
export async function followToEnd(
  first: Following,
  client: Pick<Client, "follow">,
  listener: Listener,
  patience: Patience,
): Promise<DeploymentAnswer> {
  let following = first;
  let last = 0;
  let seenAt = patience.now();
  for (;;) {
    const openedAt = patience.now();
    let isSilent = true;
    for await (const part of following.story) {
      if ("ended" in part) return part.ended;
      isSilent = false;
      if ("progress" in part) listener.progress?.(part.progress);
      else {
        last = part.event.seq;
        listener.event(part.event);
      }
    }
    if (!isSilent || patience.now() - openedAt >= SIGN_OF_LIFE_MS) seenAt = patience.now();
    if (isSilent) await patience.sleep(TRY_EVERY_MS, patience.enough);
    following = await comeBack(first, last, seenAt + AWAY_MS, client, patience);
  }
}

async function comeBack(
  { id, readKey }: Following,
  last: number,
  giveUpAt: number,
  client: Pick<Client, "follow">,
  { now, sleep, say, enough }: Patience,
): Promise<Following> {
  let isMissed = false;
  while (now() < giveUpAt) {
    if (enough?.aborted === true)
      throw new ClientError(
        "unreachable",
        `it has not ended in time, and goes on; "logs ${id} -f" follows it`,
      );
    try {
      return await client.follow(id, last, readKey);
    } catch (error) {
      if (!(error instanceof ClientError) || !PASSING.has(error.code)) throw error;
      if (!isMissed) say("the daemon went away; the deployment goes on when it is back");
      isMissed = true;
    }
    await sleep(TRY_EVERY_MS, enough);
  }
  throw new ClientError("unreachable", `the daemon did not come back; "logs ${id} -f" goes on from here`);
}
