import { createBeside, createInPlace, notDone } from "./candidates.ts";
import { commitOf } from "./commit.ts";
import { shortId } from "./containers.ts";
import { type Deployment, nameOf, type Outcome } from "./deployment.ts";
import { drain } from "./drain.ts";
import { DeployerError } from "./errors.ts";
import { bringEdgeAfter } from "./first-move.ts";
import { startAndPass } from "./gate.ts";
import { assertPorts, holdRequests, sendToNew } from "./hand-over.ts";
import { planRollout, type Strategies } from "./plan.ts";
import type { Service } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { settingsIn } from "./recorded-settings.ts";
import { goBack } from "./roll-back.ts";
import { showAll, startUnseen } from "./rolling.ts";
import type { Rollout } from "./rollout-under-way.ts";
import type { Settings } from "./settings.ts";
import type { Plan } from "./store.ts";
import { storyOf } from "./story.ts";
import type { Goal } from "./target.ts";
import { tidyUp } from "./tidy-up.ts";
import { allOrNone } from "./wait.ts";
import { watch } from "./watch.ts";

/**
 * The rollout of all services of a deployment: their new containers are created beside the old ones; rolling ones are
 * started where no peer finds them and pass the gate; then the switch, the watch, the commit. One that fails takes all
 * back to what ran before.
 */
export async function rollOut(
  deployment: Deployment,
  strategies: Strategies,
  goal: Goal,
  ports: Ports,
  signal: AbortSignal,
): Promise<Outcome> {
  const { project, source } = goal;
  const rollout: Rollout = { deployment, project, source, ports, signal, complaints: new Map() };
  const planned = await planRollout(deployment, strategies, goal, ports);
  try {
    for (const plan of planned)
      if (!plan.inPlace) await createBeside(plan, project, serviceOf(plan, goal), rollout);
    for (const plan of plansOf(rollout)) await assertPorts(plan, await settingsOf(plan, ports), ports);
    for (const plan of plansOf(rollout))
      if (plan.strategy === "rolling") await startUnseen(plan, await settingsOf(plan, ports), rollout);
    signal.throwIfAborted();
  } catch (error) {
    return await goBack(error, rollout);
  }
  return await switchOver(rollout);
}

/** From the switch to the end. Every step is safe to repeat: after a kill this is called again. */
export async function switchOver(rollout: Rollout): Promise<Outcome> {
  const { deployment, project, ports } = rollout;
  let serving: Container[];
  try {
    saveProgress(deployment, { stage: "switching" }, ports);
    const passed: Passed[] = [];
    for (const plan of plansOf(rollout)) {
      const settings = await settingsOf(plan, ports);
      const containers =
        plan.strategy === "rolling"
          ? await showAll(plan, settings, rollout)
          : await replace(plan, settings, rollout);
      passed.push({ settings, containers });
    }
    serving = await watchAll(passed, rollout);
    commit(rollout);
  } catch (error) {
    return await goBack(error, rollout);
  }
  return await tidyUp(deployment, project, serving, ports);
}

/** Stop-first: the old containers stop, the new ones start and pass the gate. */
async function replace(plan: Plan, settings: Settings, rollout: Rollout): Promise<Container[]> {
  const { deployment, ports, signal, complaints } = rollout;
  const tell = storyOf(deployment, ports);
  signal.throwIfAborted();
  const old = plan.before.all.map((id) => shortId({ id })).join(", ") || "nothing: none was there";
  tell("switching", `${plan.service}: ${plan.inPlace ? "Compose replaces" : "stopping"} ${old}`);
  ports.log.info("switching", { deployment: deployment.id, service: plan.service, old: plan.before.all });
  await holdRequests(plan, settings, rollout);
  await drain(deployment, plan.before, { name: plan.service }, ports);
  const { candidates } = plan.inPlace ? await createInPlace(plan, rollout) : plan;
  for (const id of plan.before.all) await ports.engine.stop(id);
  await bringEdgeAfter(plan, deployment, ports);
  signal.throwIfAborted();
  tell("gating", `${plan.service}: starting ${candidates.map(shortId).join(", ")}`);
  const toPass = await notDone(candidates, ports);
  const passed = await startAndPass(toPass, settings, ports, signal, complaints);
  await sendToNew(plan, settings, passed, rollout);
  return passed;
}

/** What has passed the gate, and by what it is watched. */
type Passed = { settings: Settings; containers: Container[] };

async function watchAll(
  passed: Passed[],
  { deployment, ports, signal, complaints }: Rollout,
): Promise<Container[]> {
  const seconds = Math.max(...passed.map(({ settings }) => settings.watchMs)) / 1000;
  if (seconds > 0)
    storyOf(deployment, ports)("watching", `all passed; watching ${nameOf(deployment)} for ${seconds} s`);
  const watched = await allOrNone(passed, signal, ({ settings, containers }, either) =>
    watch(containers, settings, ports, either, complaints),
  );
  return watched.flat();
}

/** From here on there is no way back. */
function commit(rollout: Rollout): void {
  const { deployment, ports } = rollout;
  const plans = plansOf(rollout);
  ports.store.commit(
    plans.map(({ version, candidates }) => commitOf(deployment, version, candidates, ports.clock)),
  );
  for (const { service, version } of plans)
    storyOf(deployment, ports)("committed", `${service} runs ${version.imageText} from now on`);
}

async function settingsOf({ service, version }: Plan, ports: Ports): Promise<Settings> {
  return await settingsIn(version.recorded, service, ports);
}

function plansOf({ deployment, ports }: Rollout): Plan[] {
  return progressOf(deployment, ports).plans;
}

function serviceOf({ service }: Plan, { targets }: Goal): Service {
  const target = targets.find((target) => target.service.name === service);
  if (target === undefined) throw new DeployerError("internal", `no target for ${service}`);
  return target.service;
}
