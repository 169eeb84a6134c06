import { type Deployment, nameOf } from "./deployment.ts";
import type { Ports } from "./ports.ts";
import { tellEnd } from "./story.ts";

type Entry = { deployment: Deployment; end: PromiseWithResolvers<Deployment> };

/** The deployments without an end in this run of the daemon, and those who wait for it. */
export class Pending {
  readonly #ports: Ports;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  add(deployment: Deployment): void {
    const end = Promise.withResolvers<Deployment>();
    // Whether anybody waits for it is not known yet.
    end.promise.catch(() => undefined);
    this.#entries.set(deployment.id, { deployment, end });
  }

  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** As it was accepted. */
  deployment(id: string): Deployment | undefined {
    return this.#entries.get(id)?.deployment;
  }

  /** Rejects with what `leave` was given. */
  endOf(id: string): Promise<Deployment> | undefined {
    return this.#entries.get(id)?.end.promise;
  }

  /** Resolves when all that are in it now have ended or been left. */
  async allEnded(): Promise<void> {
    await Promise.allSettled([...this.#entries.values()].map(({ end }) => end.promise));
  }

  /** To those who follow, to the log and to those who wait, what is on disk already. */
  tell(ended: Deployment): void {
    tellEnd(ended.id, ended, this.#ports);
    this.settle(ended);
  }

  /** To the log and to those who wait, what is on disk and told already. */
  settle(ended: Deployment): void {
    const { clock, log } = this.#ports;
    const { id, kind, parts, status, changed, reason } = ended;
    const fields = {
      deployment: id,
      kind,
      service: nameOf(ended),
      status,
      changed,
      digest: parts.flatMap(({ digest }) => digest ?? []).join(", ") || undefined,
      reason,
      milliseconds: clock.now() - ended.createdAt,
    };
    if (status === "succeeded" || status === "superseded") log.info("deployment ended", fields);
    else log.error("deployment ended", fields);
    this.#entries.get(id)?.end.resolve(ended);
    this.#entries.delete(id);
  }

  /** Those who wait learn that they cannot learn its end now. */
  leave(id: string, why: unknown): void {
    this.#entries.get(id)?.end.reject(why);
    this.#entries.delete(id);
  }
}
