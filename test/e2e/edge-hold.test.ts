import { expect, test } from "bun:test";

import { eventsOf, idOf, recordOf } from "../support/deployment-record.ts";
import { waitFor } from "../support/wait.ts";
import { type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { deployWell, failuresOf, routedService, toldOf, visit } from "../support/routed-service.ts";

const PER_SECOND = 150;
const DEADLINE = 120_000;
const HOLD_DEADLINE = 20_000;
/** Of a new version, so that the hold is long enough to do something in it. */
const START_DELAY_MS = 2_500;

const VOLUME = "volumes:\n  data:\n";

/** Its volume keeps two of it from running side by side. */
function scene(settings: Readonly<Record<string, string>> = {}): Promise<RoutedScene> {
  return startRoutedScene({
    services: (image) => routedService(image, { settings, lines: ["volumes: [data:/data]"] }) + VOLUME,
  });
}

/** Begins a deployment whose new version takes its time, and waits for the hold. @returns what was told in the end */
async function beginHold(
  routed: RoutedScene,
  startDelayMs = START_DELAY_MS,
): Promise<() => Promise<string[]>> {
  const { daemon } = routed;
  const image = await routed.publish("v2", { startDelayMs });
  const id = idOf(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
  await waitFor("the old container to be stopped", HOLD_DEADLINE, async () =>
    (await eventsOf(daemon, id)).some(({ phase }) => phase === "gating"),
  );
  return async () => {
    const { status, reason } = await recordOf(daemon, id);
    expect([status, reason]).toEqual(["succeeded", ""]);
    return await toldOf(daemon, id);
  };
}

function heldBy(told: readonly string[]): string[] {
  return told.filter((text) => text.includes("waited meanwhile"));
}

test.concurrent(
  "where two copies are impossible, requests wait while the one container is replaced, and none fails",
  async () => {
    await using routed = await scene();
    await using load = await routed.load({ perSecond: PER_SECOND, timeoutMs: 30_000 });
    const told = await deployWell(routed, await routed.publish("v2"));
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(Object.keys(result.versions).toSorted()).toEqual(["v1", "v2"]);
    expect(told).toContainEqual(expect.stringMatching(/^web: recreate, /));
    const [held = "nobody waited"] = heldBy(told);
    expect(held).toMatch(/^web: \d\d+ requests waited meanwhile, none was refused$/);
    // Waiting is all that it costs: the longest is that of whoever came first.
    expect(result.latency.max).toBeLessThan(20_000);
    process.stdout.write(`${held}; the longest took ${Math.round(result.latency.max)} ms\n`);
  },
  DEADLINE,
);

test.concurrent(
  "what the only container has begun ends before it is told to stop",
  async () => {
    await using routed = await scene();
    const slow = visit(routed, { path: "/slow?ms=3000" });
    await Bun.sleep(300);
    const ended = await beginHold(routed, 0);
    // The old one is stopped by now, and it was not before its last answer was out.
    expect(await Promise.race([slow, Bun.sleep(500)])).toMatchObject({ status: 200, text: "v1" });
    expect(await ended()).not.toContainEqual(expect.stringContaining("are cut now"));
  },
  DEADLINE,
);

test.concurrent(
  "more than hold_max at a time: exactly the excess gets a 503 with Retry-After at once, and the event says how many",
  async () => {
    await using routed = await scene({ hold_max: "10" });
    const ended = await beginHold(routed);
    const answers = await Promise.all(Array.from({ length: 30 }, () => visit(routed)));
    const [held, refused] = [200, 503].map((status) => answers.filter((each) => each.status === status));
    expect([held?.length, refused?.length]).toEqual([10, 20]);
    expect(new Set(held?.map(({ text }) => text))).toEqual(new Set(["v2"]));
    expect(refused?.filter(({ retryAfter }) => Number(retryAfter) > 0)).toHaveLength(20);
    expect(heldBy(await ended())).toEqual(["web: 10 requests waited meanwhile, 20 were refused with a 503"]);
  },
  DEADLINE,
);

test.concurrent(
  "longer than hold: whoever has waited so long gets a 503 with Retry-After, and the event says how many",
  async () => {
    await using routed = await scene({ hold: "1s" });
    const ended = await beginHold(routed, 4_000);
    const answers = await Promise.all(Array.from({ length: 5 }, () => visit(routed)));
    for (const { status, retryAfter, took } of answers) {
      expect([status, Number(retryAfter) > 0]).toEqual([503, true]);
      expect(took).toBeGreaterThanOrEqual(1_000);
    }
    expect(heldBy(await ended())).toEqual(["web: 0 requests waited meanwhile, 5 were refused with a 503"]);
    expect(await visit(routed)).toMatchObject({ status: 200, text: "v2" });
  },
  DEADLINE,
);
