import { expect, test } from "bun:test";

import { nearest } from "./nearest.ts";

const KNOWN = ["strategy", "port", "health", "timeout", "watch", "before", "images", "shared_volumes"];

test.each([
  ["strategi", "strategy"],
  ["stratgey", "strategy"],
  ["Strategy", "strategy"],
  ["ports", "port"],
  ["healthcheck", "health"],
  ["health_path", "health"],
  ["time-out", "timeout"],
  ["sharedVolumes", "shared_volumes"],
  ["shared", "shared_volumes"],
  ["image", "images"],
  ["befor", "before"],
])("who writes %s means %s", (word, known) => {
  expect(nearest(word, KNOWN)).toBe(known);
});

test.each(["route", "x", "", "po", "environment", "constructor"])(
  "who writes %j may mean anything",
  (word) => {
    expect(nearest(word, KNOWN)).toBeUndefined();
  },
);
