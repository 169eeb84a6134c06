import { expect, test } from "bun:test";

import { idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { startDocker } from "../support/docker.ts";
import { lifeOf } from "../support/observe.ts";
import { startRoutedScene } from "../support/routed-scene.ts";
import { failuresOf, proxiesOf, routedService } from "../support/routed-service.ts";

const PER_SECOND = 150;
const SOME_TIME = 1_000;
const DEADLINE = 120_000;

test(
  "Docker with live-restore is restarted, also in the middle of a swap: no request fails, and the deployment comes to its end",
  async () => {
    await using docker = await startDocker({ liveRestore: true });
    await using scene = await startRoutedScene({
      docker,
      services: (image) => routedService(image, { settings: { watch: "3s" } }),
    });
    const { daemon, project } = scene;
    const [proxies, old] = [await proxiesOf(scene, docker), await lifeOf(project, "web", docker)];
    await using load = await scene.load({ perSecond: PER_SECOND });
    await Bun.sleep(SOME_TIME);
    await docker.restart();
    const again = await daemon.waitForLog(({ message }) => message === "Docker went away");
    await daemon.waitForLog(
      ({ message, timestamp }) => message === "services are up" && timestamp >= again.timestamp,
    );
    expect(await lifeOf(project, "web", docker)).toEqual(old);

    const image = await scene.publish("v2");
    const id = idOf(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
    await untilPhase(daemon, id, "watching");
    await docker.restart();
    const { status } = await recordOf(daemon, id);
    expect(status).toBeOneOf(["succeeded", "rolled_back"]);
    await Bun.sleep(SOME_TIME);
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    const { id: serving, state } = await lifeOf(project, "web", docker);
    expect([serving === old.id, state]).toEqual([status === "rolled_back", "running"]);
    expect(await proxiesOf(scene, docker)).toEqual(proxies);
  },
  DEADLINE,
);
