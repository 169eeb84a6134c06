import { describeEnd, isFinished, isRunning, shortId } from "./containers.ts";
import { DeployerError, type ErrorCode } from "./errors.ts";
import { ask, type Check, checkOf, type Complaint, describeCheck } from "./health.ts";
import type { Container } from "./engine.ts";
import type { Clock, Ports } from "./ports.ts";
import type { Settings } from "./settings.ts";
import { allOrNone } from "./wait.ts";

/** One pass may be luck. */
const PASSES = 3;
const ASK_EVERY_MS = 250;
/** A container of which nothing can be asked counts as up when it has run this long without a restart. */
const STAYS_RUNNING_MS = 3_000;
const SHORTEST_TIMEOUT_MS = 60_000;

type GatePorts = Pick<Ports, "engine" | "probe" | "clock">;

/** Shorter than this no answer can be expected. */
const SHORTEST_ANSWER_MS = 1_000;
/** Exit code of a process that SIGKILL ended. */
const KILLED = 137;
const TOLD_WITHIN_MS = 500;

/** What the last look found wrong with each container, by its id: the gate writes it down for the diagnosis. */
export type Complaints = Map<string, Complaint>;

/**
 * Starts containers that do not run and waits until all pass: three good answers in a row, or where nothing can be asked
 * three seconds without a restart. A job that ends with 0 passes too.
 * @returns those that run on
 * Errors: `rollout` at once when one exits, restarts or goes away, `unhealthy` at the deadline; the signal's reason.
 */
export async function startAndPass(
  containers: readonly { id: string }[],
  settings: Settings,
  ports: GatePorts,
  signal?: AbortSignal,
  complaints: Complaints = new Map(),
): Promise<Container[]> {
  for (const { id } of containers) await ports.engine.start(id);
  const started = await Promise.all(containers.map(({ id }) => existing(id, ports)));
  const passed = await allOrNone(started, signal, (container, either) =>
    pass(container, settings, ports, either, complaints),
  );
  return passed.filter(isRunning);
}

async function pass(
  first: Container,
  settings: Settings,
  ports: GatePorts,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<Container> {
  const { engine, clock } = ports;
  const check = checkOf(first, settings);
  const begin = clock.now();
  const deadline = begin + timeoutOf(check, settings);
  for (let passes = 0; ;) {
    const container = assertLives(first, await look(first.id, ports));
    if (isFinished(container)) return container;
    const complaint = await ask(container, check, ports, leftUntil(deadline, clock));
    passes = complaint === undefined ? passes + 1 : 0;
    noteComplaint(complaints, first, complaint);
    const isUp = check.kind === "running" ? clock.now() - begin >= STAYS_RUNNING_MS : passes >= PASSES;
    if (isUp) return assertLives(first, await engine.container(first.id));
    if (clock.now() >= deadline)
      throw late(container, check, clock.now() - begin, complaint?.what ?? passedOnly(passes));
    await clock.sleep(ASK_EVERY_MS, signal);
  }
}

/**
 * A container that has come to an end, or that Docker has restarted since `before`, is no candidate any more, whatever
 * it would answer. @returns it as it is now. Errors: `rollout`.
 */
export function assertLives(before: Container, now: Container | undefined): Container {
  if (now === undefined) throw failure("rollout", before, "was removed by somebody else");
  if (now.restarts > before.restarts || now.state === "restarting") {
    const how = isRunning(now)
      ? "did not stay up, Docker restarted it"
      : `restarted after it ${describeEnd({ ...now, state: "exited" })}`;
    throw failure("rollout", now, how);
  }
  if (!isRunning(now) && !isFinished(now)) throw failure("rollout", now, describeEnd(now));
  return now;
}

/** A container as it is; why it was killed Docker learns a moment after it has learned that it died. */
export async function look(
  id: string,
  { engine, clock }: Pick<Ports, "engine" | "clock">,
): Promise<Container | undefined> {
  const container = await engine.container(id);
  const mayLackMemory = container?.state === "exited" && container.exitCode === KILLED;
  if (!mayLackMemory || container.oomKilled) return container;
  await clock.sleep(TOLD_WITHIN_MS);
  return await engine.container(id);
}

/** For one question, when all of them have to be answered by the deadline. */
export function leftUntil(deadline: number, clock: Pick<Clock, "now">): number {
  return Math.max(SHORTEST_ANSWER_MS, deadline - clock.now());
}

/** A good answer withdraws what was found before: an app that was slow to start did not fail by that. */
export function noteComplaint(
  complaints: Complaints,
  { id }: { id: string },
  complaint: Complaint | undefined,
): void {
  if (complaint === undefined) complaints.delete(id);
  else complaints.set(id, complaint);
}

/** An error about a container, by the names people know it by. */
export function failure(code: ErrorCode, container: Container, what: string): DeployerError {
  return new DeployerError(code, `container ${shortId(container)} of service "${container.service}" ${what}`);
}

/** As long as the HEALTHCHECK itself would take to give up, and at least a minute. */
function timeoutOf(check: Check, { timeoutMs }: Settings): number {
  if (timeoutMs !== undefined) return timeoutMs;
  if (check.kind !== "command") return SHORTEST_TIMEOUT_MS;
  const { startPeriodMs, intervalMs, retries } = check.healthcheck;
  return Math.max(SHORTEST_TIMEOUT_MS, startPeriodMs + intervalMs * retries);
}

function late(container: Container, check: Check, took: number, complaint: string): DeployerError {
  const seconds = Math.round(took / 1000);
  const asked = describeCheck(check);
  return failure(
    "unhealthy",
    container,
    `did not pass within ${seconds} s, asked was ${asked}: ${complaint}`,
  );
}

/** It was about to pass when its time was over. */
function passedOnly(passes: number): string {
  return `it passed ${passes} of ${PASSES} times in a row by then`;
}

async function existing(id: string, { engine }: GatePorts): Promise<Container> {
  const container = await engine.container(id);
  if (container !== undefined) return container;
  throw new DeployerError("rollout", `container ${shortId({ id })} was removed by somebody else`);
}
