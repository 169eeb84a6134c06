import { expect, test } from "bun:test";

import { systemClock } from "./clock.ts";

test("sleep ends after its time", async () => {
  const begin = systemClock.now();
  await systemClock.sleep(30);
  expect(systemClock.now() - begin).toBeGreaterThanOrEqual(28);
});

test("sleep rejects with the signal's reason, before and in the middle", async () => {
  const reason = new Error("stopping");
  expect(systemClock.sleep(5000, AbortSignal.abort(reason))).rejects.toBe(reason);
  const controller = new AbortController();
  const sleeping = systemClock.sleep(5000, controller.signal);
  controller.abort(reason);
  expect(sleeping).rejects.toBe(reason);
});
