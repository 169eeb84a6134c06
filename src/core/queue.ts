import { DeployerError } from "./errors.ts";
import type { InTurn } from "./ports.ts";

/** Deployments that may wait for their turn, over all services; one more is refused. */
const LIMIT = 200;

/** One task at a time per service, first come first served. */
export class Queue {
  readonly #last = new Map<string, Promise<unknown>>();
  #waiting = 0;

  readonly inTurn: InTurn = (service, task) => {
    const before = this.#last.get(service) ?? Promise.resolve();
    const turn = before.then(task, task);
    this.#last.set(service, turn);
    const leave = (): void => {
      if (this.#last.get(service) === turn) this.#last.delete(service);
    };
    turn.then(leave, leave);
    return turn;
  };

  /** As `inTurn`, for work that a caller asked for; `assertRoom` first. */
  enter<T>(service: string, task: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    return this.inTurn(service, () => {
      this.#waiting -= 1;
      return task();
    });
  }

  /** Errors: `queue_full`. */
  assertRoom(): void {
    if (this.#waiting < LIMIT) return;
    throw new DeployerError("queue_full", `${LIMIT} deployments are waiting already; try again in a minute`);
  }
}
