import { expect, test } from "bun:test";

import { parsePrefer } from "./prefer.ts";

const HEADERS: [prefer: string | undefined, respondAsync: boolean, wait: number | undefined][] = [
  [undefined, false, undefined],
  ["", false, undefined],
  ["respond-async", true, undefined],
  ["Respond-Async, wait=10", true, 10],
  ["wait=50", false, 50],
  ["WAIT = 50", false, 50],
  ['wait="50"', false, 50],
  ["wait=0", false, 0],
  ["respond-async; foo=bar; wait=3", true, undefined],
  ["wait=5, wait=10", false, 5],
  ["wait=999999999", false, 86_400],
  ["wait=-1", false, undefined],
  ["wait=1.5", false, undefined],
  ["wait", false, undefined],
  ["wait=99999999999999999999", false, undefined],
  ["handling=lenient,,return=minimal", false, undefined],
];
for (const [prefer, respondAsync, wait] of HEADERS) {
  test(`Prefer ${JSON.stringify(prefer)}`, () => {
    expect(parsePrefer(prefer)).toEqual({ respondAsync, wait, progress: false });
  });
}

test("progress is ours, and only where it is named", () => {
  expect(parsePrefer("progress, wait=5")).toEqual({ respondAsync: false, wait: 5, progress: true });
});
