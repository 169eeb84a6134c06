import type { Clock } from "../../src/core/ports.ts";

/** When every fake world begins. */
export const START = Date.UTC(2026, 10, 23, 12);

export type FakeClock = Clock & {
  /** Does something `milliseconds` after `START`. */
  at(milliseconds: number, action: () => void): void;
};

/** Time that passes only while everything sleeps: whoever wakes first is next, and no real time is spent. */
export function fakeClock(): FakeClock {
  let now = START;
  let sleepers: { at: number; wake: () => void }[] = [];
  let isTicking = false;

  function add(at: number, wake: () => void): { at: number; wake: () => void } {
    const sleeper = { at, wake };
    sleepers = [...sleepers, sleeper].toSorted((a, b) => a.at - b.at);
    tick();
    return sleeper;
  }

  function tick(): void {
    if (isTicking || sleepers.length === 0) return;
    isTicking = true;
    setImmediate(() => {
      isTicking = false;
      const next = sleepers.shift();
      if (next === undefined) return;
      now = Math.max(now, next.at);
      next.wake();
      tick();
    });
  }

  return {
    now: () => now,
    at: (milliseconds, action) => void add(START + milliseconds, action),
    async sleep(milliseconds, signal) {
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const sleeper = add(now + milliseconds, resolve);
      const onAbort = (): void => {
        sleepers = sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      await promise.finally(() => signal?.removeEventListener("abort", onAbort));
    },
  };
}

/** A signal that nobody aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}
