import { expect, test } from "bun:test";

import { eventsOf, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { lives } from "../support/observe.ts";
import { HOST, type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { failuresOf, routedService } from "../support/routed-service.ts";
import { openSockets, type Sockets } from "../support/sockets.ts";
import { waitFor } from "../support/wait.ts";

const COUNT = 1_000;
const PER_SECOND = 100;
const DRAIN_MS = 5_000;
const GOING_AWAY = 1001;
/** Of the machine's, between what is told and what is seen. */
const SLACK_MS = 500;
const DEADLINE = 120_000;

function scene(drain: string): Promise<RoutedScene> {
  return startRoutedScene({ services: (image) => routedService(image, { settings: { drain } }) });
}

function open({ port }: RoutedScene, count: number): Promise<Sockets> {
  return openSockets({ url: `ws://127.0.0.1:${port}/socket`, host: HOST, count });
}

/** Begins a deployment. @returns its id, when the old container only finishes what it has begun */
async function deployUntilDraining(routed: RoutedScene): Promise<{ id: string; committedAt: number }> {
  const { daemon } = routed;
  const image = await routed.publish("v2");
  const id = idOf(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
  await untilPhase(daemon, id, "committed");
  const committed = (await eventsOf(daemon, id)).find(({ phase }) => phase === "committed");
  return { id, committedAt: Date.parse(committed?.at ?? "") };
}

/** An event stream, to its end. */
async function readEvents(
  { port }: RoutedScene,
  signal: AbortSignal | null = null,
): Promise<{ ended: Promise<{ at: number; text: string }> }> {
  const reply = await fetch(`http://127.0.0.1:${port}/events`, { headers: { Host: HOST }, signal });
  expect(reply.headers.get("Content-Type")).toBe("text/event-stream");
  const ended = reply.text().then((text) => ({ at: Date.now(), text }));
  ended.catch(() => undefined);
  return { ended };
}

test.concurrent(
  "1,000 WebSockets and an event stream are open during a deployment: none is cut before drain is over, then the container's stop ends all",
  async () => {
    await using routed = await scene(`${DRAIN_MS / 1_000}s`);
    await using sockets = await open(routed, COUNT);
    const stream = await readEvents(routed);
    await using load = await routed.load({ perSecond: PER_SECOND });
    const { id, committedAt } = await deployUntilDraining(routed);
    expect(await sockets.echo()).toEqual({ versions: { v1: COUNT }, lost: 0 });
    expect((await recordOf(routed.daemon, id)).status).toBe("succeeded");
    await waitFor("all to be closed", DRAIN_MS, () => sockets.open() === 0);

    const cuts = sockets.cuts();
    expect(new Set(cuts.map(({ code }) => code))).toEqual(new Set([GOING_AWAY]));
    const { at, text } = await stream.ended;
    expect(text).toEndWith("data: bye\n\n");
    for (const first of [Math.min(...cuts.map((cut) => cut.at)), at])
      expect(first - committedAt).toBeGreaterThanOrEqual(DRAIN_MS);
    const told = (await eventsOf(routed.daemon, id)).map((event) => event.text);
    expect(told).toContain(`web: ${COUNT + 1} sessions did not end in time and are cut now`);
    expect(failuresOf(await load.stop())).toEqual([]);
    await using after = await open(routed, 10);
    expect(await after.echo()).toEqual({ versions: { v2: 10 }, lost: 0 });
  },
  DEADLINE,
);

test.concurrent(
  "WebSockets and streams that end by themselves end the wait for them",
  async () => {
    await using routed = await scene("60s");
    await using sockets = await open(routed, 50);
    const leave = new AbortController();
    await readEvents(routed, leave.signal);
    const { id } = await deployUntilDraining(routed);
    await Bun.sleep(SLACK_MS);
    expect(sockets.cuts()).toEqual([]);
    expect(await lives(routed.project)).toHaveLength(2);
    await sockets.close();
    await Bun.sleep(SLACK_MS);
    // The stream alone is enough to be waited for.
    expect(await lives(routed.project)).toHaveLength(2);
    leave.abort();
    const closedAt = Date.now();
    expect((await recordOf(routed.daemon, id)).status).toBe("succeeded");
    expect(Date.now() - closedAt).toBeLessThan(20_000);
    const told = (await eventsOf(routed.daemon, id)).map(({ text }) => text);
    expect(told.filter((text) => text.includes("cut now"))).toEqual([]);
  },
  DEADLINE,
);
