import { isFinished, isRunning } from "./containers.ts";
import { assertLives, type Complaints, failure, leftUntil, look, noteComplaint } from "./gate.ts";
import { ask, checkOf, describeCheck } from "./health.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Settings } from "./settings.ts";
import { allOrNone } from "./wait.ts";

const ASK_EVERY_MS = 1_000;
/** One may be a hiccup under the first real load. */
const FAILURES = 3;

/**
 * Watches containers that passed the gate and serve now, each for `settings.watchMs`: an exit, a restart, Docker's own
 * `unhealthy` or three bad answers in a row end it.
 * @returns those that run on
 * Errors: `rollout`, `unhealthy`, the signal's reason.
 */
export async function watch(
  containers: readonly Container[],
  settings: Settings,
  ports: Pick<Ports, "engine" | "probe" | "clock">,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<Container[]> {
  const watched = await allOrNone(containers, signal, (container, either) =>
    watchOne(container, settings, ports, either, complaints),
  );
  return watched.filter(isRunning);
}

async function watchOne(
  first: Container,
  settings: Settings,
  ports: Pick<Ports, "engine" | "probe" | "clock">,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<Container> {
  const { clock } = ports;
  const check = checkOf(first, settings);
  const end = clock.now() + settings.watchMs;
  let latest = first;
  let failures = 0;
  while (clock.now() < end) {
    await clock.sleep(Math.min(ASK_EVERY_MS, end - clock.now()), signal);
    latest = assertLives(first, await look(first.id, ports));
    if (isFinished(latest)) return latest;
    if (latest.health === "unhealthy")
      throw failure("unhealthy", latest, "became unhealthy while it was watched");
    const complaint = await ask(latest, check, ports, leftUntil(end, clock));
    failures = complaint === undefined ? 0 : failures + 1;
    noteComplaint(complaints, first, complaint);
    if (failures >= FAILURES)
      throw failure(
        "unhealthy",
        latest,
        `failed ${FAILURES} times in a row while it was watched, asked was ${describeCheck(check)}: ${complaint?.what}`,
      );
  }
  return latest;
}
