import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";

import { killAtMoves } from "../support/edge-kill-lane.ts";
import { buildWithStopPoints } from "../support/kill-lane.ts";
import { describeSteps, stepsOfToday } from "../support/kill-steps.ts";

const DEADLINE = 480_000;
const LANES = 2;
const FEWEST = 6;

const steps = stepsOfToday(2);
let binary: string;

beforeAll(async () => {
  binary = await buildWithStopPoints();
});

afterAll(() => rmSync(binary));

test(
  `kill -9 before and after moves at the edge of rolling (${describeSteps(steps)}), under load: no request fails, and the end that is told is true`,
  async () => {
    const kills = await killAtMoves({ strategy: "rolling", binary, steps, lanes: LANES });
    expect(kills.length).toBeGreaterThanOrEqual(FEWEST);
    expect(kills.filter(({ status }) => status !== "succeeded")).toEqual([]);
  },
  DEADLINE,
);
