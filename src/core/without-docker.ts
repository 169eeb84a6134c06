import { end, type Outcome } from "./deployment.ts";
import { DeployerError, errorCode, publicMessage } from "./errors.ts";
import type { Pending } from "./pending.ts";
import type { Ports } from "./ports.ts";
import type { Queue } from "./queue.ts";

/** How long a new deployment waits at the start of the daemon for a Docker that does not answer. */
const DOCKER_WITHIN_MS = 30_000;

/** A caller of this run of the daemon is not kept waiting for a Docker that does not come. */
export class WithoutDocker {
  readonly #ports: Ports;
  readonly #queue: Queue;
  readonly #pending: Pending;

  constructor(ports: Ports, queue: Queue, pending: Pending) {
    this.#ports = ports;
    this.#queue = queue;
    this.#pending = pending;
  }

  /** Ends a deployment that still waits for its turn by then, nothing touched. @param answers aborts when Docker does */
  async endUnlessItAnswers(id: string, answers: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#ports;
    for (;;) {
      try {
        await clock.sleep(DOCKER_WITHIN_MS, answers);
      } catch {
        return;
      }
      const waiting = this.#pending.deployment(id);
      if (waiting === undefined || !this.#queue.isWaiting(id)) return;
      const ended = end(waiting, untouched(), clock.now());
      try {
        store.update(ended);
      } catch (error) {
        const what = "the end of a deployment could not be written down, it still waits";
        log.error(what, { deployment: id, error });
        continue;
      }
      this.#queue.leave(id);
      this.#pending.tell(ended);
      return;
    }
  }
}

function untouched(): Outcome {
  const late = new DeployerError(
    "docker",
    "the daemon is still starting: it waits for Docker, or for the compose file to be readable; see /ready",
  );
  return {
    status: "failed",
    changed: false,
    digests: new Map(),
    diagnoses: [],
    code: errorCode(late),
    reason: `${publicMessage(late)}\nnothing was touched`,
  };
}
