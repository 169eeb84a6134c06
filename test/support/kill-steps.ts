/** Which of the stop points of a deployment its daemon is killed at: `from`, and each `every`th after it. */
export type Steps = { every: number; from: number };

export const EVERY_STEP: Steps = { every: 1, from: 1 };

const DAY_MS = 86_400_000;

/** What `npm test` has time for: one in so many, another share every day. `npm run soak` has them all. */
export function stepsOfToday(every: number): Steps {
  return { every, from: 1 + (Math.floor(Date.now() / DAY_MS) % every) };
}

/** For the names of tests, so that a failure says how it is had again: `every 3rd step from the 2nd`. */
export function describeSteps({ every, from }: Steps): string {
  const ordinals = ["1st", "2nd", "3rd"];
  const nth = (number: number): string => ordinals[number - 1] ?? `${number}th`;
  return `every ${nth(every)} step from the ${nth(from)}`;
}

/** Hands out stop points until one of them was not reached any more. */
export class StepsToTake {
  readonly #every: number;
  #next: number;
  #end = Number.POSITIVE_INFINITY;

  constructor({ every, from }: Steps) {
    this.#every = every;
    this.#next = from;
  }

  /** Undefined when there are no more. */
  take(): number | undefined {
    if (this.#next >= this.#end) return undefined;
    this.#next += this.#every;
    return this.#next - this.#every;
  }

  /** The deployment ended before this one came. */
  notReached(step: number): void {
    this.#end = Math.min(this.#end, step);
  }

  isReached(step: number): boolean {
    return step < this.#end;
  }
}
