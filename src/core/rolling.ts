import { notDone } from "./candidates.ts";
import { shortId } from "./containers.ts";
import { startAndPass } from "./gate.ts";
import { sendToNew } from "./hand-over.ts";
import { hideFromPeers, showToPeers } from "./names.ts";
import type { Container } from "./engine.ts";
import type { Rollout } from "./rollout-under-way.ts";
import type { Settings } from "./settings.ts";
import type { Plan } from "./store.ts";
import { storyOf } from "./story.ts";

/** Start-first: starts the new containers one after the other where no peer finds them, and waits until they pass. */
export async function startUnseen(plan: Plan, settings: Settings, rollout: Rollout): Promise<void> {
  const { deployment, ports, signal, complaints } = rollout;
  for (const candidate of plan.candidates) await hideFromPeers(candidate, ports);
  for (const candidate of plan.candidates) {
    signal.throwIfAborted();
    const what = `${plan.service}: starting ${shortId(candidate)} unseen, the old one serves`;
    storyOf(deployment, ports)("gating", what);
    await startAndPass([candidate], settings, ports, signal, complaints);
  }
}

/** The switch, one container after the other; the old ones go on serving beside them. @returns those that run on */
export async function showAll(plan: Plan, settings: Settings, rollout: Rollout): Promise<Container[]> {
  const { deployment, ports, signal, complaints } = rollout;
  const passed: Container[] = [];
  for (const candidate of plan.candidates) {
    signal.throwIfAborted();
    const what = `${plan.service}: peers find ${shortId(candidate)} from now on, and the old one`;
    storyOf(deployment, ports)("switching", what);
    await showToPeers(candidate, ports);
    const toPass = await notDone([candidate], ports);
    passed.push(...(await startAndPass(toPass, settings, ports, signal, complaints)));
  }
  await sendToNew(plan, settings, passed, rollout);
  return passed;
}
