import { afterAll, beforeAll, expect, test } from "bun:test";

import { type PrivateDocker, startDocker } from "../support/docker.ts";
import type { LoadResult } from "../support/load-result.ts";
import { addressIn, lifeOf } from "../support/observe.ts";
import { type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { routedService, visit } from "../support/routed-service.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 100;
const DEADLINE = 120_000;
const BACK_DEADLINE = 60_000;
const SOME_TIME = 1_000;
const SERVICES = ["b", "c"] as const;

let docker: PrivateDocker;
let scene: RoutedScene;
const cleanup = new AsyncDisposableStack();

/** Whoever looks after the services is dead all the while. */
beforeAll(async () => {
  docker = cleanup.use(await startDocker());
  scene = cleanup.use(
    await startRoutedScene({
      docker,
      services: (image) =>
        SERVICES.map((name) =>
          routedService(image, { name, host: hostOf(name), lines: ["restart: unless-stopped"] }),
        ).join(""),
    }),
  );
  await scene.daemon.stop("SIGKILL");
}, DEADLINE);

afterAll(() => cleanup.disposeAsync());

function hostOf(name: string): string {
  return `${name}.example.com`;
}

/** A load on each of them, which judges who answers. */
async function loads(): Promise<() => Promise<LoadResult[]>> {
  const all = await Promise.all(
    SERVICES.map((service) => scene.load({ perSecond: PER_SECOND, host: hostOf(service), service })),
  );
  return () => Promise.all(all.map((load) => load.stop()));
}

async function untilBothAnswer(): Promise<void> {
  for (const name of SERVICES)
    await waitFor(`${name} to answer`, BACK_DEADLINE, async () => {
      const answer = await visit(scene, { host: hostOf(name) }).catch(() => undefined);
      return answer?.service === name;
    });
}

/** Some failed, or nothing was shown; and each answer was the service's own. */
function expectOwnAnswers(results: readonly LoadResult[]): void {
  for (const { reasons, failed, ok } of results) {
    expect(Object.keys(reasons).filter((reason) => reason.startsWith("wrong"))).toEqual([]);
    expect(failed).toBeGreaterThan(0);
    expect(ok).toBeGreaterThan(PER_SECOND);
  }
}

const NETWORKS = { own: () => `${scene.project.name}_default`, edge: () => `${scene.project.name}-edge` };

function addresses(network: keyof typeof NETWORKS): Promise<string[]> {
  return Promise.all(SERVICES.map((name) => addressIn(NETWORKS[network](), scene.project, name, docker)));
}

test(
  "two services started again in the other order, with the daemon dead: each request is answered by its own or fails",
  async () => {
    const [own, edge] = [await addresses("own"), await addresses("edge")];
    const [b, c] = await Promise.all(SERVICES.map((name) => lifeOf(scene.project, name, docker)));
    const stop = await loads();
    await Bun.sleep(SOME_TIME);
    await docker.docker("stop", b?.id ?? "", c?.id ?? "");
    for (const each of [c, b]) {
      await docker.docker("start", each?.id ?? "");
      await Bun.sleep(SOME_TIME);
    }
    await untilBothAnswer();
    await Bun.sleep(SOME_TIME);
    expectOwnAnswers(await stop());
    // What would have happened without addresses of the edge's own.
    expect(await addresses("own")).toEqual(own.toReversed());
    expect(await addresses("edge")).toEqual(edge);
  },
  DEADLINE,
);

test(
  "Docker restarted, with the daemon dead: each request is answered by its own or fails, and both are back by themselves",
  async () => {
    const edge = await addresses("edge");
    const stop = await loads();
    await Bun.sleep(SOME_TIME);
    await docker.restart();
    await untilBothAnswer();
    await Bun.sleep(SOME_TIME);
    expectOwnAnswers(await stop());
    expect(await addresses("edge")).toEqual(edge);
  },
  DEADLINE,
);
