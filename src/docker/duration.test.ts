import { expect, test } from "bun:test";

import { parseDuration } from "./duration.ts";

test.each([
  ["10s", 10_000],
  ["1m30s", 90_000],
  ["2m", 120_000],
  ["500ms", 500],
  ["1h", 3_600_000],
  ["2.5s", 2_500],
  ["1.1s", 1_100],
  ["5h34m56s", 20_096_000],
  ["30s1m", 90_000],
  ["1500us", 2],
  ["0s", 0],
])("%s is %d ms", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([
  "",
  "10",
  "s",
  "10 s",
  " 10s",
  "10s ",
  "-10s",
  "+10s",
  "10S",
  "1d",
  "1e3s",
  "1.s",
  "10s5",
  "1:30",
  "ten",
  "١s",
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
