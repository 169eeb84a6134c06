import { expect, test } from "bun:test";

import { fakeClock } from "../../test/fakes/clock.ts";
import { queued } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import type { ReadKey } from "../core/history.ts";
import { createReadKeys } from "./read-keys.ts";

const DAY_MS = 86_400_000;

function scene() {
  const store = fakeStore();
  for (const id of ["d1", "d2"]) store.insert(queued(id));
  const clock = fakeClock();
  const saved: ReadKey[] = [];
  const keys = createReadKeys(
    {
      readKey: (hash) => store.readKey(hash),
      saveReadKey(key) {
        saved.push(key);
        store.saveReadKey(key);
      },
    },
    clock,
  );
  return { store, clock, saved, keys };
}

test("a key opens its own deployment and no other", () => {
  const { keys } = scene();
  const key = keys.grant("d1").reveal();
  expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(keys.opens(key, "d1")).toBe(true);
  expect(keys.opens(key, "d2")).toBe(false);
  expect(keys.grant("d1").reveal()).not.toBe(key);
});

test("anything else opens nothing", () => {
  const { keys, saved } = scene();
  const key = keys.grant("d1").reveal();
  const [stored] = saved;
  for (const wrong of ["", "d1", `${key}x`, key.slice(1), key.toLowerCase(), stored?.hash ?? "", "a.b.c"])
    expect(keys.opens(wrong, "d1")).toBe(false);
});

test("only its hash is stored, for a day", async () => {
  const { keys, saved, clock } = scene();
  const key = keys.grant("d1").reveal();
  const hash = new Bun.CryptoHasher("sha256").update(key).digest("hex");
  expect(saved).toEqual([{ hash, deployment: "d1", expiresAt: clock.now() + DAY_MS }]);
  await clock.sleep(DAY_MS - 1);
  expect(keys.opens(key, "d1")).toBe(true);
  await clock.sleep(1);
  expect(keys.opens(key, "d1")).toBe(false);
});

test("it works after a restart, which has nothing but the store", () => {
  const { keys, store, clock } = scene();
  const key = keys.grant("d1").reveal();
  expect(createReadKeys(store, clock).opens(key, "d1")).toBe(true);
});

test("it cannot be printed by accident", () => {
  const { keys } = scene();
  expect(String(keys.grant("d1")) + JSON.stringify([keys.grant("d1")])).toBe('[redacted]["[redacted]"]');
});
