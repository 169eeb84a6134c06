import { afterAll, beforeAll, test } from "bun:test";
import { rmSync } from "node:fs";

import { buildWithStopPoints } from "../support/kill-lane.ts";
import { expectEnds, expectEveryStep, killAtSteps } from "../support/kill-points.ts";
import { EVERY_STEP } from "../support/kill-steps.ts";

const DEADLINE = 480_000;
const LANES = 2;

let binary: string;

beforeAll(async () => {
  binary = await buildWithStopPoints();
});

afterAll(() => rmSync(binary));

test(
  "kill -9 at every journal step of recreate: old or new serves, nothing is lost, doubled or left over",
  async () => {
    const series = {
      strategy: "recreate",
      candidate: "good",
      binary,
      steps: EVERY_STEP,
      lanes: LANES,
    } as const;
    const results = await killAtSteps(series);
    expectEveryStep(results);
    expectEnds(results, "good");
  },
  DEADLINE,
);
