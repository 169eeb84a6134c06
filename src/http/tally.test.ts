import { expect, test } from "bun:test";

import { Tally } from "./tally.ts";

test("what was added is counted by address and cause, the most frequent first, once", () => {
  const tally = new Tally();
  expect(tally.takeAll()).toBeUndefined();
  for (let n = 0; n < 5; n += 1) tally.add("a", "token signature is invalid");
  for (let n = 0; n < 7; n += 1) tally.add(`b${n % 2}`, `expired: exp is ${n}, now is ${n + 1}`);
  tally.add("a", "no token in the Authorization header");
  tally.add("a", "another");
  expect(tally.takeAll()).toEqual({
    requests: 14,
    addresses: 3,
    causes: { expired: 7, "token signature is invalid": 5, "no token in the Authorization header": 1 },
  });
  expect(tally.takeAll()).toBeUndefined();
});

test("a million different causes cost no more than fifty", () => {
  const tally = new Tally();
  for (let n = 0; n < 1_000_000; n += 1) tally.add("a", `cause ${n}`);
  expect(tally.takeAll()).toEqual({
    requests: 1_000_000,
    addresses: 1,
    causes: { others: 999_950, "cause 0": 1, "cause 1": 1 },
  });
});
