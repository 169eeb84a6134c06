import { expect, test } from "bun:test";

import { flood } from "../support/flood.ts";
import { startScene } from "../support/scene.ts";

const SECONDS = 5;
const MEGABYTE = 1024 ** 2;
/** More than are held back, so that the flood goes on. */
const MANY = { connections: 768, perSecond: 10_000 };
const FEW = { connections: 32, perSecond: 10_000 };
/** Of one address: a hundred, then one in a second. */
const BURST = 100;
/** Timers on a busy machine. */
const SLACK_SECONDS = 5;
/** A second and connection, of those whose answers are held back. */
const ANSWERS = 2;
const GROWTH = 120 * MEGABYTE;
const SUCCESS = [200, "deploy request successful for service web\n"];

test("good deployments pass through a flood of forged tokens, which is slowed, costs little memory and a line a second", async () => {
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n`;
    },
  });
  const { daemon } = scene;
  const deploy = () => daemon.deploy({ service: "web" });
  for (const how of [MANY, FEW]) {
    const flooded = await flood(daemon, how, SECONDS * 1_000, deploy);
    for (const { reply } of flooded.good) expect([reply.status, reply.text]).toEqual(SUCCESS);
    expect([flooded.others, flooded.broken]).toEqual([{}, 0]);
    const seconds = flooded.duration / 1_000 + SLACK_SECONDS;
    expect(flooded.lines).toBeLessThanOrEqual(BURST + seconds);
    expect(flooded.summaries).toBeLessThanOrEqual(seconds);
    // Those that were under way at the end have been refused as well.
    expect(flooded.told).toBeGreaterThanOrEqual(flooded.refused);
    expect(flooded.told - flooded.refused).toBeLessThanOrEqual(how.connections);
    expect(flooded.rss.most - flooded.rss.before).toBeLessThan(GROWTH);
    if (how === MANY) expect(flooded.refused).toBeGreaterThan(20 * BURST);
    else expect(flooded.refused).toBeLessThan(BURST + how.connections * ANSWERS * seconds);
  }
});
