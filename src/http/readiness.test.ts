import { expect, test } from "bun:test";

import type { Clock } from "../core/ports.ts";
import { createReadiness } from "./readiness.ts";

/** Time that passes when the test says so; sleeps end when they are due. */
function fakeClock() {
  let now = 1_000_000;
  const sleepers: { due: number; wake: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push({ due: now + milliseconds, wake: resolve });
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const sleeper of sleepers) if (sleeper.due <= now) sleeper.wake();
  };
  return { clock, pass };
}

test("each part says ok or what is wrong, a thrown error included, in the order given", async () => {
  const { clock } = fakeClock();
  const readiness = createReadiness(
    {
      docker: async () => "no socket",
      store: async () => undefined,
      images: () => Promise.reject(new Error("boom")),
    },
    clock,
  );
  expect([...(await readiness())]).toEqual([
    ["docker", "no socket"],
    ["store", undefined],
    ["images", "boom"],
  ]);
});

test("a snapshot serves for five seconds", async () => {
  const { clock, pass } = fakeClock();
  let probes = 0;
  const readiness = createReadiness({ docker: async () => void (probes += 1) }, clock);
  await readiness();
  pass(5000);
  await readiness();
  expect(probes).toBe(1);
  pass(1);
  await readiness();
  expect(probes).toBe(2);
});

test("callers at the same time share one probe", async () => {
  const { clock } = fakeClock();
  let probes = 0;
  const readiness = createReadiness({ docker: async () => void (probes += 1) }, clock);
  await Promise.all([readiness(), readiness(), readiness()]);
  expect(probes).toBe(1);
});

test("a probe that does not answer is failing after two seconds and is told to stop", async () => {
  const { clock, pass } = fakeClock();
  let signal: AbortSignal | undefined;
  const readiness = createReadiness(
    {
      docker: (given) => {
        signal = given;
        return new Promise(() => {});
      },
      store: async () => undefined,
    },
    clock,
  );
  const snapshot = readiness();
  pass(2000);
  expect([...(await snapshot)]).toEqual([
    ["docker", "no answer within 2 s"],
    ["store", undefined],
  ]);
  expect(signal?.aborted).toBe(true);
});
