import { expect, test } from "bun:test";

import { runStep } from "../support/github-runner.ts";
import { sharedKeys } from "../support/keys.ts";
import { startRoutedScene } from "../support/routed-scene.ts";
import { routedService } from "../support/routed-service.ts";

const PER_SECOND = 20;
const STEP_DEADLINE = 120_000;

test(
  "behind the edge the page of the run says how many requests there were, and that none was lost",
  async () => {
    await using scene = await startRoutedScene({
      services: (image) => routedService(image),
    });
    const image = await scene.publish("v2");
    await using load = await scene.load({ perSecond: PER_SECOND });
    const { exitCode, summary } = await runStep({
      inputs: { url: scene.daemon.url, key: sharedKeys().privatePem, service: "web", image },
    });
    const { failures } = await load.stop();
    expect([exitCode, failures]).toEqual([0, []]);
    const [, lost, requests] = /<td>(\d+) of (\d+), p99 \d+ ms<\/td>/.exec(summary) ?? [];
    expect(lost).toBe("0");
    expect(Number(requests)).toBeGreaterThan(PER_SECOND);
  },
  STEP_DEADLINE,
);
