import { expect, test } from "bun:test";

import { unlessAborted } from "./wait.ts";

test("the promise's own result comes through, or its error", async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(7), signal)).toBe(7);
  await expect(unlessAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
});

test("the signal ends the wait with its reason", async () => {
  const stop = new AbortController();
  const waiting = unlessAborted(new Promise(() => undefined), stop.signal);
  stop.abort(new Error("stopped"));
  await expect(waiting).rejects.toThrow("stopped");
});

test("a signal that was there before ends it at once", async () => {
  await expect(unlessAborted(Promise.resolve(7), AbortSignal.abort(new Error("stopped")))).rejects.toThrow(
    "stopped",
  );
});

test("a promise that fails after that is nobody's surprise", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  const late = Promise.withResolvers<void>();
  await expect(unlessAborted(late.promise, AbortSignal.abort(new Error("stopped")))).rejects.toThrow(
    "stopped",
  );
  late.reject(new Error("late"));
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
