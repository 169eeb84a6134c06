/** How much of something each may do before it is too much. */
export type Limits = {
  /** At once. */
  burst: number;
  /** Then once in so many milliseconds. */
  everyMs: number;
  /** So many are remembered, those who came last; who was forgotten begins anew. */
  most: number;
};

/**
 * Counts by the generic cell rate algorithm (ITU-T I.371): of each only the time is kept at which all it has used is
 * allowed again, so a flood costs one number an address, and those are bounded.
 */
export class Allowances {
  readonly #limits: Limits;
  readonly #freeAt = new Map<string, number>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Uses one up. @returns false when there was none left */
  take(who: string, now: number): boolean {
    const { burst, everyMs, most } = this.#limits;
    const known = this.#freeAt.get(who) ?? now;
    // Never further ahead than a burst, also when the clock was set back.
    const freeAt = Math.min(Math.max(known, now), now + burst * everyMs);
    const isAllowed = freeAt - now <= (burst - 1) * everyMs;
    // Deleted and set again: the one who came last is the last in the map.
    this.#freeAt.delete(who);
    this.#freeAt.set(who, isAllowed ? freeAt + everyMs : freeAt);
    const [oldest] = this.#freeAt.keys();
    if (this.#freeAt.size > most && oldest !== undefined) this.#freeAt.delete(oldest);
    return isAllowed;
  }
}
