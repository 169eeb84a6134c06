import { expect, test } from "bun:test";

import { fakeClock, START } from "../../test/fakes/clock.ts";
import { DeployerError } from "./errors.ts";
import { persist } from "./persist.ts";

/** Fails so often, then succeeds. */
function failing(times: number, error: Error): { work: () => Promise<string>; calls: () => number } {
  let calls = 0;
  return {
    calls: () => calls,
    async work() {
      calls += 1;
      if (calls <= times) throw error;
      return "done";
    },
  };
}

test("what fails is done again, two seconds later, three times in all", async () => {
  const clock = fakeClock();
  const twice = failing(2, new DeployerError("rollout", "in use"));
  expect(await persist(twice.work, clock)).toBe("done");
  expect([twice.calls(), clock.now() - START]).toEqual([3, 4_000]);
  const always = failing(9, new DeployerError("docker", "no"));
  const refused = await persist(always.work, clock).catch((error: Error) => error.message);
  expect([refused, always.calls()]).toEqual(["no", 3]);
});

test("what did not pass the gate has had its time", async () => {
  const sick = failing(1, new DeployerError("unhealthy", "HTTP 503"));
  const refused = await persist(sick.work, fakeClock()).catch((error: Error) => error.message);
  expect([refused, sick.calls()]).toEqual(["HTTP 503", 1]);
});
