import { describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import { DeployerError } from "./errors.ts";
import type { Clock, Container, Engine } from "./ports.ts";

/** A container that is up this long without a restart counts as up. */
const STAYS_RUNNING_MS = 3_000;
const LOOK_EVERY_MS = 250;

/**
 * Starts containers and watches that they stay up; a job that ends with 0 is as good.
 * @returns those that run on
 * Errors: `rollout` naming the container and how it ended; the signal's reason when it aborts.
 */
export async function startAndStay(
  containers: Container[],
  { engine, clock }: { engine: Engine; clock: Clock },
  signal?: AbortSignal,
): Promise<Container[]> {
  for (const container of containers) await engine.start(container.id);
  const deadline = clock.now() + STAYS_RUNNING_MS;
  let waiting = containers;
  while (waiting.length > 0 && clock.now() < deadline) {
    await clock.sleep(Math.min(LOOK_EVERY_MS, deadline - clock.now()), signal);
    waiting = await stillToWatch(waiting, engine);
  }
  return waiting;
}

async function stillToWatch(started: Container[], engine: Engine): Promise<Container[]> {
  const waiting: Container[] = [];
  for (const before of started) {
    const now = await engine.container(before.id);
    if (now === undefined) throw failure(before, "was removed by somebody else");
    if (now.restarts > before.restarts)
      throw failure(
        now,
        isRunning(now)
          ? "did not stay up, Docker restarted it"
          : `restarted after it ${describeEnd({ ...now, state: "exited" })}`,
      );
    if (isFinished(now)) continue;
    if (!isRunning(now)) throw failure(now, describeEnd(now));
    waiting.push(before);
  }
  return waiting;
}

function failure(container: Container, what: string): DeployerError {
  return new DeployerError(
    "rollout",
    `container ${shortId(container)} of service "${container.service}" ${what}`,
  );
}
