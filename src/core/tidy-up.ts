import { containersOf, isKeptUp, shortId } from "./containers.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { drain } from "./drain.ts";
import { letSessionsEnd, settleRequests } from "./hand-over.ts";
import { keepImages } from "./keep-images.ts";
import { noteRunning } from "./note-running.ts";
import { persist } from "./persist.ts";
import { imageTexts } from "./pins.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { progressOf } from "./progress.ts";
import { renewSharersOf } from "./sharers.ts";
import type { Plan } from "./store.ts";
import { storyOf } from "./story.ts";
import { keepNew } from "./taken-away.ts";
import { tryTo } from "./try-to.ts";

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
  const notes: string[] = [];
  // What cannot be done keeps nothing else from being done: an old version must not go on serving beside the new one.
  const attempt = (work: () => Promise<void>) => tryTo("tidying up failed", deployment, ports, work);
  await keepImages(ports);
  await attempt(() => ports.compose.writePins(imageTexts(ports.store.pins())));
  for (const plan of plans) {
    await attempt(() => letSessionsEnd(plan, deployment, project, ports));
    await attempt(async () => {
      notes.push(...(await clearAway(plan, deployment, project, serving, ports)));
    });
    await attempt(() => settleRequests(plan.service, plan.version.recorded, deployment, project, ports));
  }
  // Last, when a person's Compose that found old and new ones has had all this time to take its choice of them.
  for (const plan of plans)
    await attempt(async () => void notes.push(...(await keepNew(plan, deployment, project, ports))));
  await attempt(() => ports.compose.forget(ports.store.neededRecords()));
  return { ...outcome, reason: notes.join("\n") };
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
  // Where new ones are gone, what a person has put in their place serves until they are made anew.
  const old = own.filter(({ id }) => before.all.includes(id) || (serves && !isNew.has(id)));
  const started = serving.filter((container) => container.service === service);
  noteRunning(started, old, ports);
  const notes = strangers.map(strangerOf);
  for (const note of notes) ports.journal.event(deployment.id, "log", "warn", note);
  await drain(deployment, before, { name: service }, ports);
  await persist(() => removeOld(deployment, old, ports), ports.clock);
  // A rolling service is in nobody's namespaces: what hangs on it keeps it from rolling.
  return strategy === "recreate" ? [...notes, ...(await renewSharersOf(service, ports))] : notes;
}

/** A person has been at work in the middle of the deployment, with `docker compose up` most likely: one version serves. */
function strangerOf({ service, imageText, ...container }: Container): string {
  return `container ${shortId(container)} of "${service}" (${imageText}) was created by somebody else meanwhile, and removed: the deployment decides what runs`;
}

/** Those that still serve, beside the new ones, get the time that they ask for. */
async function removeOld(deployment: Deployment, old: Container[], ports: Ports): Promise<void> {
  for (const container of old) {
    if (isKeptUp(container)) await ports.engine.stop(container.id);
    await ports.engine.remove(container.id, { volumes: false });
  }
  if (old.length > 0) storyOf(deployment, ports)("removed", `removed ${old.map(shortId).join(", ")}`);
}
