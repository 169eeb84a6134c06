import type { Clock, Log } from "./ports.ts";
import type { DeploymentEvent, Journal, Phase } from "./history.ts";
import type { Store } from "./store.ts";

/** Not more than a line, whatever a registry or Docker has to say. */
const LONGEST_TEXT = 2_000;

/** Writes events down and wakes up who follows them in this process. */
export class LiveJournal implements Journal {
  readonly #store: Pick<Store, "addEvent">;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watchers = new Map<string, Set<() => void>>();
  #isClosed = false;

  constructor(store: Pick<Store, "addEvent">, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  event(deployment: string, phase: Phase, level: DeploymentEvent["level"], text: string): void {
    try {
      this.#store.addEvent(deployment, { at: this.#clock.now(), phase, level, text: oneLine(text) });
    } catch (error) {
      // A story that cannot be written down must not stop a rollback.
      this.#log.warn("an event could not be recorded", { deployment, phase, error });
    }
    for (const wake of this.#watchers.get(deployment) ?? []) wake();
  }

  /** Calls `wake` when the deployment may have new events, and when the journal closes. @returns how to stop that */
  watch(deployment: string, wake: () => void): () => void {
    const watchers = this.#watchers.get(deployment) ?? new Set();
    this.#watchers.set(deployment, watchers.add(wake));
    return () => {
      watchers.delete(wake);
      if (watchers.size === 0 && this.#watchers.get(deployment) === watchers)
        this.#watchers.delete(deployment);
    };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Nobody need wait for more: the daemon stops. */
  close(): void {
    this.#isClosed = true;
    for (const watchers of this.#watchers.values()) for (const wake of watchers) wake();
  }
}

function oneLine(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.replaceAll(/\p{Cc}+/gu, " ").trim());
  return lines
    .filter((line) => line !== "")
    .join("; ")
    .slice(0, LONGEST_TEXT);
}
