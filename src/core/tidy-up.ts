import { containersOf, isFinished, isKeptUp, shortId } from "./containers.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { drain } from "./drain.ts";
import { publicMessage } from "./errors.ts";
import { startAndPass } from "./gate.ts";
import { keepImages } from "./keep-images.ts";
import { noteRunning } from "./note-running.ts";
import { persist } from "./persist.ts";
import { imageTexts } from "./pins.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { progressOf } from "./progress.ts";
import { settingsIn } from "./recorded-settings.ts";
import { recreate } from "./recreate.ts";
import { renewSharersOf } from "./sharers.ts";
import type { Plan } from "./store.ts";
import { storyOf } from "./story.ts";

/**
 * After the commit: the old containers stop and go. The new version serves and is recorded, so that what goes wrong from
 * here on is told, and made good when services are brought up. Safe to repeat.
 */
export async function tidyUp(
  deployment: Deployment,
  project: Named,
  serving: Container[],
  ports: Ports,
): Promise<Outcome> {
  const { plans } = progressOf(deployment, ports);
  const digests = new Map(plans.map(({ service, version }) => [service, version.digest]));
  const outcome = { status: "succeeded", changed: true, digests, diagnoses: [], code: undefined } as const;
  const failures: string[] = [];
  await keepImages(ports);
  await attempt(() => ports.compose.writePins(imageTexts(ports.store.pins())));
  for (const plan of plans)
    await attempt(async () => {
      failures.push(...(await clearAway(plan, deployment, project, serving, ports)));
    });
  await attempt(() => ports.compose.forget(ports.store.neededRecords()));
  return { ...outcome, reason: failures.join("\n") };

  /** What cannot be done keeps nothing else from being done: an old version must not go on serving beside the new one. */
  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      ports.journal.event(deployment.id, "log", "warn", `tidying up failed: ${publicMessage(error)}`);
      ports.log.warn("tidying up after a deployment failed", { deployment: deployment.id, error });
    }
  }
}

/** @returns what a person has to know */
async function clearAway(
  plan: Plan,
  deployment: Deployment,
  project: Named,
  serving: Container[],
  ports: Ports,
): Promise<string[]> {
  const { service, before, candidates, strategy } = plan;
  const own = await containersOf(project, { name: service }, ports.engine);
  const isNew = new Set(candidates.map(({ id }) => id));
  const serves = own.filter(({ id }) => isNew.has(id)).length === candidates.length;
  const strangers = own.filter(({ id }) => !isNew.has(id) && !before.all.includes(id));
  // Where the new ones are gone, what a person has put in their place is all there is.
  const old = own.filter(({ id }) => before.all.includes(id) || (serves && !isNew.has(id)));
  const started = serving.filter((container) => container.service === service);
  noteRunning(started, old, ports);
  const notes = strangers.map((container) => strangerOf(container, serves));
  for (const note of notes) ports.journal.event(deployment.id, "log", "warn", note);
  await drain(deployment, before, { name: service }, ports);
  await persist(() => removeOld(deployment, old, ports), ports.clock);
  if (old.length > 0 && !(await anythingServes(plan, project, ports))) {
    const note = `the new containers of "${service}" were taken away by somebody else meanwhile, and made anew`;
    ports.journal.event(deployment.id, "log", "warn", note);
    await persist(() => createAgain(plan, project, ports), ports.clock);
    notes.push(note);
  }
  // A rolling service is in nobody's namespaces: what hangs on it keeps it from rolling.
  return strategy === "recreate" ? [...notes, ...(await renewSharersOf(service, ports))] : notes;
}

/** A person has been at work in the middle of the deployment, with `docker compose up` most likely: one version serves. */
function strangerOf({ service, imageText, ...container }: Container, isRemoved: boolean): string {
  const what = `container ${shortId(container)} of "${service}" (${imageText}) was created by somebody else meanwhile`;
  return isRemoved ? `${what}, and removed: the deployment decides what runs` : `${what}, and left alone`;
}

/** A person's Compose, which finds two and wants one, may have taken the new one while we took the old one. */
async function anythingServes(
  { service, replicas }: Plan,
  project: Named,
  { engine }: Ports,
): Promise<boolean> {
  const own = await containersOf(project, { name: service }, engine);
  return replicas === 0 || own.some((container) => isKeptUp(container) || isFinished(container));
}

async function createAgain({ service, version }: Plan, project: Named, ports: Ports): Promise<void> {
  const { recorded, configHash } = version;
  await recreate({ recorded }, project, { name: service }, async () => false, ports);
  const made = await containersOf(project, { name: service }, ports.engine);
  ports.store.saveOrigins(made.map(({ id }) => ({ container: id, service, configHash, recorded })));
  const settings = await settingsIn(recorded, service, ports);
  noteRunning(await startAndPass(made, settings, ports), [], ports);
}

/** Those that still serve, beside the new ones, get the time that they ask for. */
async function removeOld(deployment: Deployment, old: Container[], ports: Ports): Promise<void> {
  for (const container of old) {
    if (isKeptUp(container)) await ports.engine.stop(container.id);
    await ports.engine.remove(container.id, { volumes: false });
  }
  if (old.length > 0) storyOf(deployment, ports)("removed", `removed ${old.map(shortId).join(", ")}`);
}
