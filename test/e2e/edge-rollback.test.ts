import { expect, test } from "bun:test";

import type { Failure } from "../support/load-result.ts";
import { lifeOf } from "../support/observe.ts";
import { type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { deployTo, failuresOf, proxiesOf, routedService } from "../support/routed-service.ts";

const PER_SECOND = 150;
/** Of them, so many are under way at any instant. */
const SLOW = 0.03;
const DEADLINE = 120_000;
/** After it has begun to listen: it has passed its gate twice by then, and serves. */
const FAILS_AFTER_MS = 7_000;

/** The watch is longer than it takes to fail. */
function scene(
  lines: readonly string[] = [],
  settings: Readonly<Record<string, string>> = {},
): Promise<RoutedScene> {
  return startRoutedScene({
    services: (image) => routedService(image, { lines, settings: { watch: "30s", ...settings } }),
  });
}

/** Under way at the same instant, for the one at which the container died. */
function haveOneInstant(failures: readonly Failure[]): boolean {
  const lastBegin = Math.max(0, ...failures.map(({ at }) => at));
  const firstEnd = Math.min(Infinity, ...failures.map(({ at, took }) => at + took));
  return lastBegin <= firstEnd;
}

test.concurrent(
  "a candidate that crashes in the watch: rolled back, no GET fails, and a POST only if it was in the container at that instant",
  async () => {
    await using routed = await scene();
    const [old, proxies] = [await lifeOf(routed.project, "web"), await proxiesOf(routed)];
    const image = await routed.publish("v2", { crashAfterMs: FAILS_AFTER_MS });
    await using load = await routed.load({ perSecond: PER_SECOND, slow: SLOW });
    const { record, told } = await deployTo(routed, image);
    expect([record.status, record.reason]).toEqual([
      "rolled_back",
      expect.stringMatching(/^container \w+ of service "web" exited with code 1\n/),
    ]);
    expect(told).toContainEqual(expect.stringContaining("requests go there from now on"));
    const result = await load.stop();
    expect(result.failures.filter(({ kind }) => kind !== "post")).toEqual([]);
    expect([result.failures, haveOneInstant(result.failures)]).toEqual([result.failures, true]);
    // 20 % of the requests are POSTs, each of which takes a few milliseconds.
    expect(result.failed).toBeLessThanOrEqual(3);
    expect(result.versions["v2"]).toBeGreaterThan(PER_SECOND);
    expect(await lifeOf(routed.project, "web")).toEqual(old);
    expect(await proxiesOf(routed)).toEqual(proxies);
  },
  DEADLINE,
);

test.concurrent(
  "a candidate that crashes in the watch, with resend: all: no request fails, a POST that was in the container neither",
  async () => {
    await using routed = await scene([], { resend: "all" });
    const [old, proxies] = [await lifeOf(routed.project, "web"), await proxiesOf(routed)];
    const image = await routed.publish("v2", { crashAfterMs: FAILS_AFTER_MS });
    // A dozen POSTs are under way at any instant, all small enough for the proxy's buffer.
    const posts = { posts: 0.3, postKib: 12, postMs: 300 };
    await using load = await routed.load({ perSecond: PER_SECOND, slow: SLOW, ...posts });
    const { record, told } = await deployTo(routed, image);
    expect([record.status, record.reason]).toEqual([
      "rolled_back",
      expect.stringMatching(/^container \w+ of service "web" exited with code 1\n/),
    ]);
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(result.ok).toBe(result.sent);
    expect(told).toContainEqual(
      expect.stringMatching(/^web: .* requests during this deployment, 0 failed, \d+ sent a second time/),
    );
    expect(result.versions["v2"]).toBeGreaterThan(PER_SECOND);
    expect(await lifeOf(routed.project, "web")).toEqual(old);
    expect(await proxiesOf(routed)).toEqual(proxies);
  },
  DEADLINE,
);

test.concurrent(
  "a candidate that becomes unhealthy in the watch: rolled back, no request fails",
  async () => {
    await using routed = await scene();
    const old = await lifeOf(routed.project, "web");
    const image = await routed.publish("v2", { unhealthyAfterRequests: 2 * PER_SECOND });
    await using load = await routed.load({ perSecond: PER_SECOND, slow: SLOW });
    const { record } = await deployTo(routed, image);
    expect([record.status, record.reason]).toEqual([
      "rolled_back",
      expect.stringMatching(
        /failed 3 times in a row while it was watched, asked was GET \/health on port 8080: HTTP 503\n/,
      ),
    ]);
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(result.versions["v2"]).toBeGreaterThan(PER_SECOND);
    expect(await lifeOf(routed.project, "web")).toEqual(old);
  },
  DEADLINE,
);

test.concurrent(
  "two candidates that crash in the watch right after one another: rolled back, no GET fails",
  async () => {
    await using routed = await scene(["deploy: { replicas: 2 }"]);
    // They take turns, so the other one follows with its next request.
    const image = await routed.publish("v2", { crashAfterRequests: 200 });
    await using load = await routed.load({ perSecond: PER_SECOND, slow: SLOW, posts: 0 });
    const { record } = await deployTo(routed, image);
    expect(record.status).toBe("rolled_back");
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(result.versions["v2"]).toBeGreaterThan(PER_SECOND);
  },
  DEADLINE,
);
