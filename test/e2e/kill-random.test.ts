import { expect, test } from "bun:test";

import { killAtInstants } from "../support/kill-instants.ts";
import { stage } from "../support/stage.ts";

const COUNT = 20;
const SEED = 20_261_123;
const DEADLINE = 480_000;

test(
  "kill -9 at 20 random instants of both strategies: old or new serves, nothing is lost, doubled or left over",
  async () => {
    const results = await killAtInstants(COUNT, SEED, stage().binary);
    expect(results).toHaveLength(COUNT);
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
  },
  DEADLINE,
);
