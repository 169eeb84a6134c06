import { expect, test } from "bun:test";

import { fakeClock } from "../../test/fakes/clock.ts";
import { queued } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import type { ReadKey } from "../core/history.ts";
import { createReadKeys, type ReadKeys } from "./read-keys.ts";

const DAY_MS = 86_400_000;

const ALL = { output: true };

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
        return store.saveReadKey(key);
      },
    },
    clock,
  );
  return { store, clock, saved, keys };
}

function granted(keys: ReadKeys, shows = ALL): string {
  const key = keys.grant("d1", shows);
  if (key === undefined) throw new Error("no key was given");
  return key.reveal();
}

test("a key opens its own deployment and no other", () => {
  const { keys } = scene();
  const key = granted(keys);
  expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(keys.opens(key, "d1")).toEqual(ALL);
  expect(keys.opens(key, "d2")).toBeUndefined();
  expect(granted(keys)).not.toBe(key);
});

test("it shows what whoever it was given to might see", () => {
  const { keys } = scene();
  const key = granted(keys, { output: false });
  expect(keys.opens(key, "d1")).toEqual({ output: false });
});

test("anything else opens nothing", () => {
  const { keys, saved } = scene();
  const key = granted(keys);
  const [stored] = saved;
  for (const wrong of ["", "d1", `${key}x`, key.slice(1), key.toLowerCase(), stored?.hash ?? "", "a.b.c"])
    expect(keys.opens(wrong, "d1")).toBeUndefined();
});

test("only its hash is stored, for a day", async () => {
  const { keys, saved, clock } = scene();
  const key = granted(keys);
  const hash = new Bun.CryptoHasher("sha256").update(key).digest("hex");
  expect(saved).toEqual([{ hash, deployment: "d1", output: true, expiresAt: clock.now() + DAY_MS }]);
  await clock.sleep(DAY_MS - 1);
  expect(keys.opens(key, "d1")).toEqual(ALL);
  await clock.sleep(1);
  expect(keys.opens(key, "d1")).toBeUndefined();
});

test("it works after a restart, which has nothing but the store", () => {
  const { keys, store, clock } = scene();
  const key = granted(keys);
  expect(createReadKeys(store, clock).opens(key, "d1")).toEqual(ALL);
});

test("what the store does not keep is given to nobody", () => {
  const { store, clock } = scene();
  const keys = createReadKeys({ ...store, saveReadKey: () => false }, clock);
  expect(keys.grant("d1", ALL)).toBeUndefined();
});

test("it cannot be printed by accident", () => {
  const { keys } = scene();
  expect(String(keys.grant("d1", ALL)) + JSON.stringify([keys.grant("d1", ALL)])).toBe(
    '[redacted]["[redacted]"]',
  );
});
