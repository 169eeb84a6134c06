import type { Clock, Log } from "./ports.ts";
import type { PullProgress } from "./engine.ts";
import type { DeploymentEvent, Journal, Phase, Pull } from "./history.ts";
import type { Store } from "./store.ts";

/** Not more than a line, whatever a registry or Docker has to say. */
const LONGEST_TEXT = 2_000;

/** Docker tells more often than anybody can see. */
const PULL_TOLD_EVERY_MS = 250;

/** Writes events down and wakes up who follows them in this process. */
export class LiveJournal implements Journal {
  readonly #store: Pick<Store, "addEvent">;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #pulls = new Map<string, { pull: Pull; toldAt: number }[]>();
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
    this.#wake(deployment);
  }

  pulling(deployment: string, image: string, progress: PullProgress | undefined): void {
    const pulls = this.#pulls.get(deployment) ?? [];
    const others = pulls.filter(({ pull }) => pull.image !== image);
    const toldAt = pulls.find(({ pull }) => pull.image === image)?.toldAt ?? -Infinity;
    const now = this.#clock.now();
    if (progress !== undefined && Math.abs(now - toldAt) < PULL_TOLD_EVERY_MS) return;
    const left = progress === undefined ? others : [...others, { pull: { image, ...progress }, toldAt: now }];
    if (left.length === 0) this.#pulls.delete(deployment);
    else this.#pulls.set(deployment, left);
    this.#wake(deployment);
  }

  /** Of the images that a deployment pulls now; another object when there is news of one. */
  pulls(deployment: string): Pull[] {
    return (this.#pulls.get(deployment) ?? []).map(({ pull }) => pull);
  }

  /** Calls `wake` when the deployment may have new events, or a pull has come further, and when the journal closes. @returns how to stop that */
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

  #wake(deployment: string): void {
    for (const wake of this.#watchers.get(deployment) ?? []) wake();
  }
}

function oneLine(text: string): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.replaceAll(/\p{Cc}+/gu, " ").trim());
  return lines
    .filter((line) => line !== "")
    .join("; ")
    .slice(0, LONGEST_TEXT);
}
