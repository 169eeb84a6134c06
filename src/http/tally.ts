/** Different causes that are told apart. */
const MOST_CAUSES = 50;
/** Different addresses that are counted; more are not told apart. */
const MOST_ADDRESSES = 10_000;
const TOLD_CAUSES = 3;
const OTHERS = "others";

/** What is said of requests that nobody wants a line each for. */
export type Counted = {
  requests: number;
  addresses: number;
  /** The most frequent ones, with how often. */
  causes: Readonly<Record<string, number>>;
};

/** Counts refused requests; what it costs is bounded, whatever they are. */
export class Tally {
  readonly #addresses = new Set<string>();
  readonly #causes = new Map<string, number>();
  #requests = 0;

  add(address: string, cause: string): void {
    this.#requests += 1;
    if (this.#addresses.size < MOST_ADDRESSES) this.#addresses.add(address);
    // Behind the colon stands what differs from one to the next.
    const [kind = cause] = cause.split(":", 1);
    const name = this.#causes.has(kind) || this.#causes.size < MOST_CAUSES ? kind : OTHERS;
    this.#causes.set(name, (this.#causes.get(name) ?? 0) + 1);
  }

  /** What was counted since the last time; undefined: nothing. */
  takeAll(): Counted | undefined {
    if (this.#requests === 0) return undefined;
    const causes = [...this.#causes].toSorted(([, a], [, b]) => b - a).slice(0, TOLD_CAUSES);
    const counted = {
      requests: this.#requests,
      addresses: this.#addresses.size,
      causes: Object.fromEntries(causes),
    };
    this.#requests = 0;
    this.#addresses.clear();
    this.#causes.clear();
    return counted;
  }
}
