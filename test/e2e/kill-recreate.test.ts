import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { buildWithStopPoints } from "../support/kill-lane.ts";
import { expectEveryStep, killAtEveryPoint } from "../support/kill-points.ts";

const DEADLINE = 240_000;

let binary: string;

beforeAll(async () => {
  binary = await buildWithStopPoints();
});

afterAll(() => rmSync(binary));

test(
  "kill -9 at every journal step of recreate: old or new serves, nothing is lost, doubled or left over",
  async () => {
    const results = await killAtEveryPoint("recreate", binary);
    expectEveryStep(results);
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
  },
  DEADLINE,
);
