import { expect } from "bun:test";

import type { Daemon } from "./daemon.ts";
import { eventsOf, idOf, recordOf } from "./deployment-record.ts";
import { lives } from "./observe.ts";
import { type RoutedScene, startRoutedScene } from "./routed-scene.ts";
import { type Steps, StepsToTake } from "./kill-steps.ts";
import { failuresOf, proxiesOf, routedService, visit } from "./routed-service.ts";
import { STOP_AT, STOPPED_AT } from "./stop-points.ts";
import { waitFor } from "./wait.ts";

/** A deployment whose daemon was killed at the edge. */
export type EdgeKill = {
  /** `before direct`, …; `ended`: the deployment did, before its daemon was killed. */
  at: string;
  status: string;
  reason: string;
};

const PER_SECOND = 50;
/** More than anybody is held. */
const TIMEOUT_MS = 40_000;
const KILL_DEADLINE = 60_000;
const TIDY_DEADLINE = 10_000;
/** The last moves come after the end that the caller is told. */
const TIDY_PAUSE = 500;
/** Less than anybody is held who is forgotten. */
const ANSWERS_WITHIN_MS = 20_000;

/** Where the daemon is killed, behind the edge. */
export type EdgeKillSeries = {
  strategy: keyof typeof SERVICES;
  /** Path of the daemon with stop points. */
  binary: string;
  steps: Steps;
  /** How many deployments are killed side by side, each under a load of its own. */
  lanes: number;
};

/** Two at once cannot have one volume. */
const SERVICES = {
  recreate: (image: string) =>
    `${routedService(image, { lines: ["volumes: [data:/data]"] })}volumes:\n  data:\n`,
  rolling: (image: string) => routedService(image),
};

/** What each strategy does at the edge, with stop points before and after it. */
const MOVES = {
  recreate: ["hold", "drained", "direct", "release"],
  rolling: ["direct", "drained", "release"],
};

/**
 * Kills the daemon before and after moves at the edge of a deployment under load, one after the other until one is not
 * reached, and starts it again. Expects that no request fails, and that the end that is told is true. @returns all that were killed
 */
export async function killAtMoves(series: EdgeKillSeries): Promise<readonly EdgeKill[]> {
  const { strategy, binary, lanes } = series;
  const kills: EdgeKill[] = [];
  const steps = new StepsToTake(series.steps);

  async function work(): Promise<void> {
    await using scene = await startRoutedScene({ services: SERVICES[strategy], daemon: { binary } });
    await using stack = new AsyncDisposableStack();
    const proxies = await proxiesOf(scene);
    await using load = await scene.load({ perSecond: PER_SECOND, timeoutMs: TIMEOUT_MS });
    let daemon = scene.daemon;
    let serving = "v1";
    for (let point = steps.take(); point !== undefined; point = steps.take()) {
      daemon = stack.use(await startAgain(daemon, `edge ${point}`));
      const version = `v${point + 1}`;
      const { next, id, ...kill } = await killOne(scene, daemon, version).catch((cause: unknown) => {
        throw new Error(`killed at move ${point}`, { cause });
      });
      daemon = stack.use(next);
      if (kill.status === "succeeded") serving = version;
      // Nobody is held any more.
      const answer = await visit(scene, { withinMs: ANSWERS_WITHIN_MS }).catch(() => undefined);
      if (answer === undefined) throw new Error(await storyOf(next, id, kill));
      expect([kill.at, answer.text]).toEqual([kill.at, serving]);
      if (kill.at === "ended") steps.notReached(point);
      else kills.push(kill);
    }
    const result = await load.stop();
    expect(failuresOf(result)).toEqual([]);
    expect(await proxiesOf(scene)).toEqual(proxies);
  }

  await Promise.all(Array.from({ length: lanes }, work));
  return kills;
}

/** What is done at the edge must have been among the stop points, or they show nothing. */
export function expectEveryMove(strategy: keyof typeof MOVES, kills: readonly EdgeKill[]): void {
  const places = kills.map(({ at }) => at);
  for (const move of MOVES[strategy])
    expect(places).toEqual(expect.arrayContaining([`before ${move}`, `after ${move}`]));
}

async function storyOf(daemon: Daemon, id: string, { at, status }: EdgeKill): Promise<string> {
  const told = (await eventsOf(daemon, id)).map((event) => `${event.at} ${event.text}`);
  return [`nobody answers after a kill ${at}, ${status}:`, ...told].join("\n");
}

async function killOne(
  scene: RoutedScene,
  daemon: Daemon,
  version: string,
): Promise<EdgeKill & { next: Daemon; id: string }> {
  const image = await scene.publish(version);
  const id = idOf(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
  const at = (await diesByItself(daemon, id)) ? (STOPPED_AT.exec(daemon.noise())?.[1] ?? "unknown") : "ended";
  // Also when it has ended: the daemon moves requests to what runs beside its deployments, and dies of that as well.
  const next = await startAgain(daemon, "");
  const { status, reason } = await recordOf(next, id);
  expect([at, status]).toEqual([at, expect.stringMatching(/^(succeeded|failed|rolled_back)$/)]);
  await waitFor("exactly one container", TIDY_DEADLINE, async () => {
    const all = await lives(scene.project, "web");
    return all.length === 1 && all[0]?.state === "running";
  });
  return { at, status, reason, next, id };
}

async function startAgain(daemon: Daemon, stopAt: string): Promise<Daemon> {
  if ((await Promise.race([daemon.exit, Bun.sleep(0)])) === undefined) await daemon.stop("SIGKILL");
  return await daemon.startAgain({ [STOP_AT]: stopAt });
}

/** False when the deployment ended before. */
async function diesByItself(daemon: Daemon, id: string): Promise<boolean> {
  const died = daemon.exit.then(() => true);
  const ended = recordOf(daemon, id).then(
    () => Bun.sleep(TIDY_PAUSE).then(() => false),
    () => died,
  );
  const late = Bun.sleep(KILL_DEADLINE).then(() => {
    throw new Error("the daemon was not killed, and the deployment did not end");
  });
  return await Promise.race([died, ended, late]);
}
