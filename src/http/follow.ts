import { type Deployment, hasEnded } from "../core/deployment.ts";
import type { DeploymentEvent, Pull } from "../core/history.ts";

/** Shorter than the idle limits of the load balancers and proxies on the way. */
const HEARTBEAT_MS = 15_000;
/** Events that are in memory at once for one reader, however far behind it is. */
const PAGE = 100;

/** What a reader of events needs of the daemon. */
export type Source = {
  find(id: string): Deployment | undefined;
  /** At most `limit` events with a number above `after`, in order. */
  events(id: string, after: number, limit: number): DeploymentEvent[];
  /** Those under way; another object when there is news of one. */
  pulls(id: string): Pull[];
  /** Calls `wake` when there may be news of the deployment, and when the daemon stops; gives how to end that. */
  watch(id: string, wake: () => void): () => void;
  /** Streams have to end, so that the server can. */
  isStopping(): boolean;
};

/** What a reader gets next. */
export type News =
  | { kind: "events"; events: DeploymentEvent[] }
  /** Not kept: a reader that comes back is told how far it is by then. */
  | { kind: "pull"; pull: Pull }
  | { kind: "heartbeat" }
  /** The last thing: the deployment at its end. */
  | { kind: "done"; deployment: Deployment };

/**
 * The events of a deployment after number `after`: those there are, then those to come, then `done`. Ends without `done`
 * when the daemon stops or the signal aborts. Nothing is queued for a reader: each page is read from the store when the
 * one before has been taken, so a slow reader costs no memory and nobody misses or sees anything twice.
 */
export async function* follow(
  source: Source,
  { id, after, showsPulls }: { id: string; after: number; showsPulls: boolean },
  signal: AbortSignal,
  heartbeatMs: number = HEARTBEAT_MS,
): AsyncGenerator<News, void, undefined> {
  const bell = new Bell();
  const unwatch = source.watch(id, () => bell.ring());
  const onAbort = (): void => bell.ring();
  signal.addEventListener("abort", onAbort, { once: true });
  let last = after;
  let told: readonly Pull[] = [];
  try {
    while (!signal.aborted) {
      const events = source.events(id, last, PAGE);
      last = events.at(-1)?.seq ?? last;
      if (events.length > 0) {
        yield { kind: "events", events };
        continue;
      }
      const deployment = source.find(id);
      if (deployment === undefined) return;
      if (hasEnded(deployment)) {
        yield { kind: "done", deployment };
        return;
      }
      if (source.isStopping()) return;
      const pulls = showsPulls ? source.pulls(id) : [];
      for (const pull of pulls) if (!told.includes(pull)) yield { kind: "pull", pull };
      told = pulls;
      const hasRung = await bell.within(heartbeatMs);
      if (!hasRung) yield { kind: "heartbeat" };
    }
  } finally {
    unwatch();
    signal.removeEventListener("abort", onAbort);
  }
}

/** Remembers that it was rung until somebody has heard it. */
class Bell {
  #isRung = false;
  #hear: () => void = () => undefined;

  ring(): void {
    this.#isRung = true;
    this.#hear();
  }

  /** Whether it rings, or has rung since the last time. */
  async within(milliseconds: number): Promise<boolean> {
    if (!this.#isRung) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#hear = resolve;
      const timer = setTimeout(resolve, milliseconds);
      await promise;
      clearTimeout(timer);
    }
    const hasRung = this.#isRung;
    this.#isRung = false;
    return hasRung;
  }
}
