import { containersOf, isFinished, isKeptUp } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import { startAndPass } from "./gate.ts";
import { settleRequests } from "./hand-over.ts";
import { noteRunning } from "./note-running.ts";
import { persist } from "./persist.ts";
import type { Named } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { savePlan } from "./progress.ts";
import { settingsIn } from "./recorded-settings.ts";
import { recreate } from "./recreate.ts";
import { renewSharersOf } from "./sharers.ts";
import type { Plan } from "./store.ts";

/** How long somebody who stops a new container is waited for; most stop graces are shorter. */
const STOPS_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** Compose removes what it takes away as soon as that has stopped. */
const REMOVES_WITHIN_MS = 1_000;

/**
 * - `stands`: nobody has told it to stop, and it has not ended
 * - `stopped`: a person has stopped it, and left it there
 * - `gone`: it was taken away, or ended by itself
 */
type Fate = "stands" | "stopped" | "gone";

/**
 * A person's `docker compose up`, which finds old containers and new ones and wants one sort, may take the new ones away
 * while the deployment takes the old ones. Until the deployment has ended it decides what runs: they are made anew, also
 * in the place of what that person's Compose has put there. What was stopped or taken down stays so.
 * @returns what a person has to know
 */
export async function keepNew(
  plan: Plan,
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<string[]> {
  const fates = await fatesOf(plan, ports);
  const what = `the new containers of "${plan.service}"`;
  if (fates.includes("gone")) {
    if (!(await isTakenDown(plan, ports))) return await makeAnew(plan, deployment, project, ports);
    return tell(`${what} were taken down by somebody else meanwhile`);
  }
  return fates.includes("stopped") ? tell(`${what} were stopped by somebody else meanwhile`) : [];

  function tell(note: string): string[] {
    ports.journal.event(deployment.id, "log", "warn", note);
    return [note];
  }
}

/** Of its new containers, when those that somebody is stopping have stopped. */
export async function fatesOf({ candidates }: Plan, ports: Ports): Promise<Fate[]> {
  return await Promise.all(candidates.map(({ id }) => fateOf(id, ports)));
}

/** `docker compose down` takes the networks too. */
export async function isTakenDown({ candidates }: Plan, { engine }: Ports): Promise<boolean> {
  const names = new Set(candidates.flatMap(({ networks }) => networks.map(({ network }) => network)));
  const networks = await Promise.all([...names].map((name) => engine.network(name)));
  return networks.includes(undefined);
}

/**
 * The version of a deployment in new containers, whatever the service has now; they pass the gate, and have its requests.
 * @returns what a person has to know
 */
export async function makeAnew(
  plan: Plan,
  deployment: Deployment,
  project: Named,
  ports: Ports,
): Promise<string[]> {
  const { service, strategy, version } = plan;
  const note = `the new containers of "${service}" were taken away by somebody else meanwhile, and made anew`;
  ports.journal.event(deployment.id, "log", "warn", note);
  await persist(() => createAgain(plan, deployment, project, ports), ports.clock);
  await settleRequests(service, version.recorded, deployment, project, ports);
  // A rolling service is in nobody's namespaces: what hangs on it keeps it from rolling.
  return strategy === "recreate" ? [note, ...(await renewSharersOf(service, ports))] : [note];
}

async function createAgain(plan: Plan, deployment: Deployment, project: Named, ports: Ports): Promise<void> {
  const { service, version } = plan;
  const { recorded, configHash } = version;
  await recreate({ recorded }, project, { name: service }, async () => false, ports);
  const made = await containersOf(project, { name: service }, ports.engine);
  ports.store.saveOrigins(made.map(({ id }) => ({ container: id, service, configHash, recorded })));
  savePlan(deployment, { ...plan, candidates: made.map(({ id, networks }) => ({ id, networks })) }, ports);
  const settings = await settingsIn(recorded, service, ports);
  noteRunning(await startAndPass(made, settings, ports), plan.candidates, ports);
}

async function fateOf(id: string, { engine, clock }: Ports): Promise<Fate> {
  const until = clock.now() + STOPS_WITHIN_MS;
  for (;;) {
    const now = await engine.container(id);
    if (now === undefined || now.state === "removing") return "gone";
    const isUp = isKeptUp(now) || now.state === "paused";
    if (!(await engine.wasToldToStop(id))) return isUp || isFinished(now) ? "stands" : "gone";
    if (isUp && clock.now() >= until) return "stands";
    await clock.sleep(isUp ? LOOK_EVERY_MS : REMOVES_WITHIN_MS);
    if (isUp) continue;
    const then = await engine.container(id);
    if (then !== undefined && then.startedAt === now.startedAt && then.state === now.state) return "stopped";
  }
}
