import { expect, test } from "bun:test";

import { ago, localTime } from "./times.ts";

const NOW = Date.parse("2026-11-23T12:00:00Z");

test.each([
  [0, "now"],
  [1_000, "1 second ago"],
  [119_000, "119 seconds ago"],
  [120_000, "2 minutes ago"],
  [3 * 3_600_000, "3 hours ago"],
  [50 * 3_600_000, "2 days ago"],
  [-5_000, "now"],
])("%d ms", (passed, text) => expect(ago(new Date(NOW - passed).toISOString(), NOW)).toBe(text));

test("a time is shown by this person's clock", () => {
  const here = new Date(2026, 10, 3, 6, 5, 4);
  expect(localTime(here.toISOString())).toBe("2026-11-03 06:05:04");
});
