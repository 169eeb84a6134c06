import { expect, test } from "bun:test";

import { startRoutedScene } from "../support/routed-scene.ts";
import { deployTo, deployWell, failuresOf, routedService } from "../support/routed-service.ts";

const PER_SECOND = 300;
const DEPLOYMENTS = 10;
const OF_PAIR = 100;
const DEADLINE = 480_000;

test(
  "ten rolling deployments under load: no request fails, and each deployment tells how many there were",
  async () => {
    await using scene = await startRoutedScene({ services: (image) => routedService(image) });
    await using load = await scene.load({ perSecond: PER_SECOND });
    for (let n = 2; n <= DEPLOYMENTS + 1; n += 1) {
      const { record, told } = await deployTo(scene, await scene.publish(`v${n}`));
      expect(record).toMatchObject({ status: "succeeded", services: [{ traffic: { failed: 0 } }] });
      expect(told).toContainEqual(
        expect.stringMatching(/^web: [\d,]+ requests during this deployment, 0 failed, .*p99 \d+ ms$/),
      );
    }
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(Object.keys(result.versions)).toHaveLength(DEPLOYMENTS + 1);
    expect(result.ok).toBeGreaterThan(DEPLOYMENTS * PER_SECOND);
  },
  DEADLINE,
);

test(
  "two replicas, deployed together with a service that has no route: no request fails, both are new",
  async () => {
    await using scene = await startRoutedScene({
      services: (image) =>
        `${routedService(image, { lines: ["deploy: { replicas: 2 }"] })}  worker: { image: ${image} }\n`,
    });
    await using load = await scene.load({ perSecond: OF_PAIR });
    await deployWell(scene, await scene.publish("v2"));
    const image = await scene.publish("v3");
    const reply = await scene.daemon.deploy({ services: ["web", "worker"], image });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for services web, worker\n"]);
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(Object.keys(result.versions)).toEqual(["v1", "v2", "v3"]);
    const now = await scene.project.containers();
    const lines = now.map((each) => `${each.service} ${each.state} ${each.image.includes(":v3@")}`);
    expect(lines.toSorted()).toEqual(["web running true", "web running true", "worker running true"]);
  },
  DEADLINE,
);
