import { expect, test } from "bun:test";

import { Allowances } from "./allowance.ts";

const LIMITS = { burst: 3, everyMs: 1_000, most: 2 };

function takes(allowances: Allowances, who: string, now: number, times: number): boolean[] {
  return Array.from({ length: times }, () => allowances.take(who, now));
}

test("a burst at once, then one in a second, whether it was taken in vain or not", () => {
  const allowances = new Allowances(LIMITS);
  expect(takes(allowances, "a", 0, 5)).toEqual([true, true, true, false, false]);
  expect(takes(allowances, "a", 999, 1)).toEqual([false]);
  expect(takes(allowances, "a", 1_000, 2)).toEqual([true, false]);
  expect(takes(allowances, "a", 2_500, 2)).toEqual([true, false]);
  expect(takes(allowances, "a", 3_000, 2)).toEqual([true, false]);
});

test("after a rest all of the burst is there again, and no more", () => {
  const allowances = new Allowances(LIMITS);
  takes(allowances, "a", 0, 3);
  expect(takes(allowances, "a", 1_000_000, 4)).toEqual([true, true, true, false]);
});

test("each has its own", () => {
  const allowances = new Allowances(LIMITS);
  takes(allowances, "a", 0, 4);
  expect(takes(allowances, "b", 0, 1)).toEqual([true]);
});

test("those who came last are remembered", () => {
  const allowances = new Allowances(LIMITS);
  takes(allowances, "a", 0, 3);
  takes(allowances, "b", 0, 3);
  expect(takes(allowances, "a", 0, 1)).toEqual([false]);
  takes(allowances, "c", 0, 1);
  expect(takes(allowances, "a", 0, 1)).toEqual([false]);
  expect(takes(allowances, "b", 0, 1)).toEqual([true]);
});

test("a clock that is set back by an hour keeps nobody waiting for an hour", () => {
  const allowances = new Allowances(LIMITS);
  takes(allowances, "a", 3_600_000, 3);
  expect(takes(allowances, "a", 0, 1)).toEqual([false]);
  expect(takes(allowances, "a", 1_000, 1)).toEqual([true]);
});
