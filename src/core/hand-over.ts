import { containersOf, isRunning, shortId } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import type { Server } from "./edge.ts";
import { asReached, atItsPort, sendToRunning, serverOf } from "./send-to-running.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { settingsIn } from "./recorded-settings.ts";
import type { Rollout } from "./rollout-under-way.ts";
import type { Settings } from "./settings.ts";
import type { Before, Plan } from "./store.ts";
import { storyOf } from "./story.ts";
import { tryTo } from "./try-to.ts";

/**
 * The moves of a service's requests at the edge, from the old containers to the new ones and back. None of them does
 * anything for a service that is not behind it; each is safe to repeat.
 */

/** They do not do well, so nobody waits for them for long. */
const FAILED_END_WITHIN_MS = 5_000;

/**
 * Before the only copy stops: new requests wait at the edge, and what is in flight ends. Half of the time that they may
 * wait is for that: the other half is for the change itself. Errors: `edge`.
 */
export async function holdRequests(plan: Plan, settings: Settings, rollout: Rollout): Promise<void> {
  const { deployment, ports } = rollout;
  const { service, before } = plan;
  const { holdMs, holdMax, drainMs } = settings;
  if (!ports.edge.isRouted(service) || before.running.length === 0) return;
  const limits = `each ${holdMs / 1000} s and ${holdMax} at a time, at most`;
  const what = holdMs > 0 ? `new requests wait at the edge, ${limits}` : "new requests get a 503 (hold: 0)";
  storyOf(deployment, ports)("edge", `${service}: ${what}`);
  if (holdMs > 0) await ports.edge.hold(service, { ms: holdMs, max: holdMax });
  else await ports.edge.direct(service, { serving: [], standby: [] });
  const withinMs = holdMs > 0 ? Math.min(drainMs, holdMs / 2) : drainMs;
  tellCut(deployment, service, await ports.edge.drained(service, before.running, withinMs), ports);
}

/** Before anything that serves is touched: it is clear where the new containers answer. Errors: `compose_file`. */
export async function assertPorts(
  { service, candidates }: Plan,
  settings: Settings,
  ports: Ports,
): Promise<void> {
  if (!ports.edge.isRouted(service)) return;
  for (const { id } of candidates) {
    const container = await ports.engine.container(id);
    if (container !== undefined) serverOf(container, settings);
  }
}

/**
 * The switch for visitors: requests go to the new containers as soon as the proxy itself has reached them; rolling ones
 * keep the old ones warm behind them. Those that waited go on. Errors: `edge`, `compose_file`.
 */
export async function sendToNew(
  { service, strategy, before }: Plan,
  settings: Settings,
  passed: readonly Container[],
  { deployment, ports }: Rollout,
): Promise<void> {
  if (!ports.edge.isRouted(service)) return;
  const serving = passed.map((container) => serverOf(container, settings));
  const standby = strategy === "rolling" ? await warm(before, service, ports) : [];
  try {
    await ports.edge.direct(service, { serving, standby });
  } catch (error) {
    throw await atItsPort(error, service, ports);
  }
  const names = passed.map(shortId).join(", ");
  storyOf(deployment, ports)(
    "edge",
    `${service}: the edge has reached ${names}, requests go there from now on`,
  );
  await releaseRequests(deployment, service, ports);
}

/** After the commit: what the old containers have begun ends before they are stopped. Errors: `edge`. */
export async function letSessionsEnd(
  { service, before }: Plan,
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<void> {
  if (!ports.edge.isRouted(service)) return;
  const own = await containersOf(project, { name: service }, ports.engine);
  if (own.some(({ id }) => !before.all.includes(id))) await sendPast(before, service, ports);
  const { drainMs } = await settingsIn(before.recorded, service, ports);
  const left = await ports.edge.drained(service, before.running, drainMs);
  tellCut(deployment, service, left, ports);
}

/**
 * The first step of the way back: the old containers, still warm, serve again; where there can be one only, requests wait for
 * it. It never throws.
 */
export async function sendToOld(plan: Plan, deployment: Deployment, ports: Ports): Promise<void> {
  const { service, strategy, before } = plan;
  if (!ports.edge.isRouted(service)) return;
  await tryTo(`${service}: requests could not be sent back yet`, deployment, ports, async () => {
    if (strategy === "recreate") {
      const { holdMs, holdMax } = await settingsIn(before.recorded, service, ports);
      if (holdMs > 0) await ports.edge.hold(service, { ms: holdMs, max: holdMax });
      return;
    }
    const serving = await warm(before, service, ports);
    // The end of the way back sends them to what it has started.
    if (serving.length > 0) await ports.edge.direct(service, { serving, standby: [] }, "one");
  });
}

/** Before new containers that failed are stopped: what they have begun may end. It never throws. */
export async function letFailedEnd(plan: Plan, deployment: Deployment, ports: Ports): Promise<void> {
  const { service, candidates } = plan;
  if (!ports.edge.isRouted(service) || candidates.length === 0) return;
  await tryTo(`${service}: not known whether sessions are cut`, deployment, ports, async () => {
    const ids = candidates.map(({ id }) => id);
    tellCut(deployment, service, await ports.edge.drained(service, ids, FAILED_END_WITHIN_MS), ports);
  });
}

/**
 * The last step of any way: requests go to what runs, and none waits any more.
 * @param recorded the configuration of what runs: the file may say something else by now, a wrong port for one
 * Errors: `edge`, `compose_file`, `docker`.
 */
export async function settleRequests(
  service: string,
  recorded: string,
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<void> {
  if (!ports.edge.isRouted(service)) return;
  const settings = await settingsIn(recorded, service, ports);
  await sendToRunning(project, { name: service }, ports, async (container) =>
    asReached(container, settings, ports),
  );
  await releaseRequests(deployment, service, ports);
}

async function releaseRequests(deployment: Deployment, service: string, ports: Ports): Promise<void> {
  const { held, refused } = await ports.edge.release(service);
  if (held + refused === 0) return;
  const how = refused === 0 ? "none was refused" : `${refused} were refused with a 503`;
  const text = `${service}: ${held} requests waited meanwhile, ${how}`;
  ports.journal.event(deployment.id, "edge", refused === 0 ? "info" : "warn", text);
}

/** Away from the old ones, to whichever serve beside them. */
async function sendPast({ all }: Before, service: string, ports: Ports): Promise<void> {
  const { serving } = ports.edge.direction(service);
  const others = serving.filter(({ container }) => !all.includes(container));
  if (others.length > 0) await ports.edge.direct(service, { serving: others, standby: [] }, "one");
}

/** The old containers that could serve at once. */
async function warm({ running, recorded }: Before, service: string, ports: Ports): Promise<Server[]> {
  const settings = await settingsIn(recorded, service, ports);
  const now = await Promise.all(running.map((id) => ports.engine.container(id)));
  return now
    .filter((container) => container !== undefined)
    .filter(isRunning)
    .map((container) => asReached(container, settings, ports));
}

function tellCut({ id }: Deployment, service: string, left: number, { journal }: Ports): void {
  if (left > 0)
    journal.event(id, "edge", "warn", `${service}: ${left} sessions did not end in time and are cut now`);
}
