import { expect, test } from "bun:test";

import { sleep } from "./sleep.ts";

test("it ends when it has been enough, before or meanwhile", async () => {
  const { signal, abort } = abortable();
  const began = performance.now();
  const asleep = sleep(60_000, signal);
  abort();
  await asleep;
  await sleep(60_000, signal);
  expect(performance.now() - began).toBeLessThan(30_000);
});

test("otherwise it lasts as long as is asked for", async () => {
  const began = performance.now();
  await sleep(20, abortable().signal);
  await sleep(20);
  expect(performance.now() - began).toBeGreaterThanOrEqual(39);
});

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
