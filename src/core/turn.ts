import { removeDoneBefore } from "./before-commands.ts";
import type { deploy } from "./deploy.ts";
import { begin, type Deployment, end, hasEnded } from "./deployment.ts";
import type { Pending } from "./pending.ts";
import type { Ports } from "./ports.ts";
import { fieldsOf, tellEnd, tellStarted } from "./story.ts";
import { countRequests, tellTraffic } from "./traffic.ts";
import { unwritten } from "./unwritten.ts";

/** Between two attempts to write down what could not be written: somebody has to free some space. */
const WRITE_AGAIN_MS = 5_000;

/** How the daemon stops. */
type Stop = {
  /** What runs goes back at its next step. */
  signal: AbortSignal;
  isClosing: () => boolean;
};

/** What a deployment does when its turn has come: it begins, runs and ends, on disk at each step, and is told. */
export class Turn {
  readonly #ports: Ports;
  readonly #pending: Pending;
  readonly #stop: Stop;
  readonly #onEnd: (id: string) => void;

  constructor(ports: Ports, pending: Pending, stop: Stop, onEnd: (id: string) => void) {
    this.#ports = ports;
    this.#pending = pending;
    this.#stop = stop;
    this.#onEnd = onEnd;
  }

  /** @param work from its beginning to its outcome, or from where a kill left it */
  async run(accepted: Deployment, work: typeof deploy): Promise<void> {
    const { clock, log, store } = this.#ports;
    try {
      const pinned = new Map(store.pins().map(({ service, digest }) => [service, digest]));
      const deployment = begin(accepted, clock.now(), pinned);
      await this.#write(deployment);
      tellStarted(deployment, this.#ports);
      log.info("deployment started", fieldsOf(deployment));
      const counted = await countRequests(deployment, this.#ports);
      const outcome = await work(deployment, this.#ports, this.#stop.signal);
      const traffic = await counted();
      tellTraffic(deployment, traffic, this.#ports);
      const ended = end(deployment, outcome, clock.now(), traffic);
      await this.#write(ended);
      // Before those who wait learn of the end: then a stop of the daemon waits for it.
      await removeDoneBefore(this.#ports).catch((error: unknown) =>
        log.warn("containers of before commands could not be removed", { deployment: deployment.id, error }),
      );
      this.#pending.settle(ended);
    } catch (error) {
      log.error("a deployment is left to the next start of the daemon", { deployment: accepted.id, error });
      this.#pending.leave(accepted.id, error);
    } finally {
      this.#onEnd(accepted.id);
    }
  }

  /**
   * As often as it takes: were it left as it is on disk and a newer one let begin, the next start of the daemon would take
   * it up and undo the newer one. Who waits for it learns that at once. Errors: the last one, when the daemon stops.
   */
  async #write(deployment: Deployment): Promise<void> {
    const { store, clock, log } = this.#ports;
    const { id, status } = deployment;
    for (let isLeft = false; ; isLeft = true) {
      try {
        store.update(deployment);
        // At once: whoever finds that it has ended has heard all of its story.
        if (hasEnded(deployment)) tellEnd(id, deployment, this.#ports);
        if (isLeft) this.#pending.add(deployment);
        return;
      } catch (error) {
        const what = "the state of a deployment could not be written down, trying again";
        log.error(what, { deployment: id, status, error });
        if (this.#stop.isClosing()) throw error;
        this.#pending.leave(id, unwritten(deployment, error));
        await clock.sleep(WRITE_AGAIN_MS);
        // Nothing begins any more; an end is tried once again.
        if (this.#stop.isClosing() && !hasEnded(deployment)) throw error;
      }
    }
  }
}
