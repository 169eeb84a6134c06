import { expect, test } from "bun:test";

import { duration } from "./duration.ts";

test.each([
  [0, "0.0 s"],
  [4_440, "4.4 s"],
  [59_700, "1 min 0 s"],
  [125_000, "2 min 5 s"],
  [3_725_000, "1 h 2 min"],
])("%d ms long", (milliseconds, text) => expect(duration(milliseconds)).toBe(text));
