import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { KEPT_REJECTIONS, type Rejection } from "../core/rejection.ts";
import { openStore, type OpenStore } from "./store.ts";

let folder = "";
let store: OpenStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejected-test-"));
  store = openStore(folder);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

function rejection(at: number, changes: Partial<Rejection> = {}): Rejection {
  return {
    at,
    remote: "192.0.2.7",
    method: "POST",
    path: "/deploy",
    code: "unauthorized",
    cause: "token signature is invalid",
    verified: false,
    claims: undefined,
    unlisted: 0,
    ...changes,
  };
}

test("what was rejected is told newest first, as far as is asked for, also after a restart", () => {
  const first = rejection(1, { claims: { iss: "ci", exp: 1.5, more: ["a"] } });
  const second = rejection(1, { code: "forbidden", verified: true, unlisted: 9_873 });
  store.addRejections([first, second]);
  store.addRejections([rejection(0)]);
  store.close();
  store = openStore(folder);
  expect(store.rejections(10)).toEqual([rejection(0), second, first]);
  expect(store.rejections(2)).toEqual([rejection(0), second]);
});

test("the last 800 are kept, however many come at once or one by one", () => {
  store.addRejections(Array.from({ length: 1_500 }, (_, at) => rejection(at)));
  for (let at = 0; at < 3; at += 1) store.addRejections([rejection(5_000 + at)]);
  const kept = store.rejections(10_000);
  expect([kept.length, kept.at(0)?.at, kept.at(-1)?.at]).toEqual([800, 5_002, 703]);
});

test("a flood of bad tokens leaves the last 200 of good ones", () => {
  store.addRejections(Array.from({ length: 300 }, (_, at) => rejection(at, { verified: true })));
  for (let batch = 0; batch < 20; batch += 1)
    store.addRejections(Array.from({ length: 100 }, () => rejection(1_000)));
  const kept = store.rejections(KEPT_REJECTIONS);
  expect(kept).toHaveLength(KEPT_REJECTIONS);
  expect(kept.slice(-200).map(({ at }) => at)).toEqual(Array.from({ length: 200 }, (_, n) => 299 - n));
});

test("one that cannot be written takes the others with it", () => {
  // @ts-expect-error a value that the table refuses
  const broken = rejection(2, { cause: null });
  expect(() => store.addRejections([rejection(1), broken])).toThrow("NOT NULL");
  expect(store.rejections(10)).toEqual([]);
});
