import { removeDoneBefore } from "./before-commands.ts";
import { bringUp } from "./bring-up.ts";
import { isFinished, isRunning } from "./containers.ts";
import { publicMessage } from "./errors.ts";
import { FollowRunning } from "./follow-running.ts";
import type { Container } from "./engine.ts";
import { releaseLeftHolds } from "./left-holds.ts";
import type { Ports } from "./ports.ts";
import { unlessAborted } from "./wait.ts";

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const LOOK_EVERY_MS = 10_000;
/** A container that ended this recently may have gone down with Docker or the host: it still counts as one that runs. */
const ENDED_RECENTLY_MS = 60_000;

/**
 * The life of the daemon beside its deployments: waits for Docker, brings services up, then keeps note of what runs; and
 * again when Docker has been away. What fails is logged and tried again with growing pauses. Ends, without an
 * error, when `signal` aborts.
 * @param bootId which start of the host this is
 * @param dockerAnswers called as soon as it does: deployments begin, those first that the last run left unfinished
 */
export async function keepUp(
  bootId: string,
  dockerAnswers: () => void,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  let hasBeenAway = false;
  const pause = new Pause();
  await releaseLeftHolds(ports);
  while (!signal.aborted) {
    const visit = new AbortController();
    const visitOrStop = AbortSignal.any([signal, visit.signal]);
    try {
      await ports.engine.ping();
      const gone = ports.engine.untilGone(visitOrStop).catch(() => undefined);
      dockerAnswers();
      pause.reset();
      const start = `${bootId}, ${await ports.engine.startId()}`;
      await serveUntil(gone, start, toComeBack(start, hasBeenAway, ports), ports, signal);
      if (signal.aborted) return;
      ports.log.warn("Docker went away");
      hasBeenAway = true;
      // A Docker that answers and yet ends its events at once must not be asked without pause.
      await ports.clock.sleep(FIRST_PAUSE_MS, signal).catch(() => undefined);
    } catch (error) {
      if (signal.aborted) return;
      const seconds = pause.next() / 1000;
      ports.log.warn("the start cannot go on yet, trying again", { reason: publicMessage(error), seconds });
      await ports.clock.sleep(seconds * 1000, signal).catch(() => undefined);
    } finally {
      visit.abort();
    }
  }
}

/** After a start of the host or of Docker, what ran when we last looked. Else nothing: what is stopped now, a person stopped. */
function toComeBack(start: string, hasBeenAway: boolean, { store }: Ports): ReadonlySet<string> {
  const look = store.lastLook();
  const isNewStart = look !== undefined && (hasBeenAway || look.start !== start);
  return new Set(isNewStart ? look.running : []);
}

/** Brings up what is missing, as often as it takes, and looks at what runs, until Docker goes away. */
async function serveUntil(
  gone: Promise<void>,
  start: string,
  comeBack: ReadonlySet<string>,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  const away = new AbortController();
  void gone.then(() => away.abort());
  // Not a race with `gone`: each would leave something with that promise, which has no end as long as Docker lives.
  const awayOrStop = AbortSignal.any([away.signal, signal]);
  const pause = new Pause();
  const follow = new FollowRunning(ports);
  const pending = new Set(comeBack);
  let bringUpAt = ports.clock.now();
  while (!awayOrStop.aborted) {
    if (ports.clock.now() >= bringUpAt) {
      const done = await tryBringUp(pending, ports, signal);
      if (done) pending.clear();
      bringUpAt = done ? Number.POSITIVE_INFINITY : ports.clock.now() + pause.next();
    }
    await look(start, pending, follow, ports).catch((error: unknown) =>
      ports.log.debug("could not look at what runs", { error }),
    );
    const wait = Math.min(LOOK_EVERY_MS, Math.max(bringUpAt - ports.clock.now(), 0));
    await ports.clock.sleep(wait, awayOrStop).catch(() => undefined);
  }
}

async function tryBringUp(comeBack: Set<string>, ports: Ports, signal: AbortSignal): Promise<boolean> {
  try {
    // The last run of the daemon may have been killed before it came to that.
    await removeDoneBefore(ports);
    const failures = await unlessAborted(bringUp(comeBack, ports, signal), signal);
    if (failures.size === 0) ports.log.info("services are up");
    return failures.size === 0;
  } catch (error) {
    if (!signal.aborted) ports.log.error("services could not be brought up", { error });
    return false;
  }
}

async function look(
  start: string,
  pending: ReadonlySet<string>,
  follow: FollowRunning,
  { store, engine, clock }: Ports,
): Promise<void> {
  const project = store.projectName();
  if (project === undefined) return;
  const last = store.lastLook();
  const ranLately = (container: Container): boolean =>
    last?.running.includes(container.id) === true &&
    !isFinished(container) &&
    clock.now() - Date.parse(container.finishedAt) < ENDED_RECENTLY_MS;
  const containers = await engine.containers(project);
  follow.look({ name: project }, containers);
  const running = containers
    .filter((container) => isRunning(container) || ranLately(container) || pending.has(container.id))
    .map(({ id }) => id)
    .toSorted();
  // What has yet to come back after a restart must still be known if we die before it has.
  const asOf = pending.size > 0 && last !== undefined ? last.start : start;
  const isNews = last === undefined || last.start !== asOf || last.running.join() !== running.join();
  if (isNews) store.saveLook({ start: asOf, running });
}

/** Doubles with each use. */
class Pause {
  #milliseconds = FIRST_PAUSE_MS;

  next(): number {
    const now = this.#milliseconds;
    this.#milliseconds = Math.min(now * 2, LONGEST_PAUSE_MS);
    return now;
  }

  reset(): void {
    this.#milliseconds = FIRST_PAUSE_MS;
  }
}
