import { createBeside, createInPlace, dependenciesDrifted } from "./candidates.ts";
import { commitOf } from "./commit.ts";
import { shortId } from "./containers.ts";
import { type Deployment, nameOf, type Outcome } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { type Complaints, startAndPass } from "./gate.ts";
import { hideFromPeers, showToPeers } from "./names.ts";
import { planRollout, type Strategies } from "./plan.ts";
import type { Container, Named, Ports, Service, Source } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { settingsIn } from "./recorded-settings.ts";
import { goBack } from "./roll-back.ts";
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
  const complaints: Complaints = new Map();
  const planned = await planRollout(deployment, strategies, goal, ports);
  try {
    for (const plan of planned) if (!plan.inPlace) await create(deployment, plan, goal, ports);
    for (const plan of plansOf(deployment, ports))
      if (plan.strategy === "rolling") await warmUp(deployment, plan, ports, signal, complaints);
    signal.throwIfAborted();
  } catch (error) {
    return await goBack(error, deployment, goal.project, complaints, ports);
  }
  const drifted = (plan: Plan): Promise<boolean> =>
    dependenciesDrifted(goal.project, serviceOf(plan, goal), plan.version.recorded, ports);
  return await switchOver(deployment, goal.project, goal.source, drifted, ports, signal, complaints);
}

/**
 * From the switch to the end. Every step is safe to repeat: after a kill this is called again.
 * @param drifted whether Compose has to leave the dependencies of a service alone when it replaces its containers
 */
export async function switchOver(
  deployment: Deployment,
  project: Named,
  source: Source,
  drifted: (plan: Plan) => Promise<boolean>,
  ports: Ports,
  signal: AbortSignal,
  complaints: Complaints = new Map(),
): Promise<Outcome> {
  const tell = storyOf(deployment, ports);
  let serving: Container[];
  try {
    saveProgress(deployment, { stage: "switching" }, ports);
    const passed: Passed[] = [];
    for (const plan of plansOf(deployment, ports)) {
      const containers =
        plan.strategy === "rolling"
          ? await showCandidates(deployment, plan, ports, signal, complaints)
          : await replace(deployment, plan, project, source, drifted, ports, signal, complaints);
      passed.push({ settings: await settingsOf(plan, ports), containers });
    }
    serving = await watchAll(deployment, passed, ports, signal, complaints);
    commit(deployment, ports);
  } catch (error) {
    return await goBack(error, deployment, project, complaints, ports);
  }
  for (const { service, version } of plansOf(deployment, ports))
    tell("committed", `${service} runs ${version.imageText} from now on`);
  return await tidyUp(deployment, project, serving, ports);
}

async function create(deployment: Deployment, plan: Plan, goal: Goal, ports: Ports): Promise<void> {
  const { replicas, before, service } = plan;
  storyOf(deployment, ports)("creating", `${service}: creating ${replicas} beside ${before.all.length}`);
  await createBeside(deployment, plan, goal.project, serviceOf(plan, goal), goal.source, ports);
}

/** Where no peer finds them. */
async function warmUp(
  deployment: Deployment,
  plan: Plan,
  ports: Ports,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<void> {
  const tell = storyOf(deployment, ports);
  const settings = await settingsOf(plan, ports);
  for (const candidate of plan.candidates) await hideFromPeers(candidate, ports);
  for (const candidate of plan.candidates) {
    signal.throwIfAborted();
    tell("gating", `${plan.service}: starting ${shortId(candidate)} unseen, the old one serves`);
    await startAndPass([candidate], settings, ports, signal, complaints);
  }
}

async function showCandidates(
  deployment: Deployment,
  plan: Plan,
  ports: Ports,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<Container[]> {
  const tell = storyOf(deployment, ports);
  const passed: Container[] = [];
  const settings = await settingsOf(plan, ports);
  for (const candidate of plan.candidates) {
    signal.throwIfAborted();
    tell("switching", `${plan.service}: peers find ${shortId(candidate)} from now on, and the old one`);
    await showToPeers(candidate, ports);
    passed.push(...(await startAndPass([candidate], settings, ports, signal, complaints)));
  }
  return passed;
}

async function replace(
  deployment: Deployment,
  plan: Plan,
  project: Named,
  source: Source,
  drifted: (plan: Plan) => Promise<boolean>,
  ports: Ports,
  signal: AbortSignal,
  complaints: Complaints,
): Promise<Container[]> {
  const tell = storyOf(deployment, ports);
  signal.throwIfAborted();
  const old = plan.before.all.map((id) => shortId({ id })).join(", ") || "nothing: none was there";
  tell("switching", `${plan.service}: ${plan.inPlace ? "Compose replaces" : "stopping"} ${old}`);
  ports.log.info("switching", { deployment: deployment.id, service: plan.service, old: plan.before.all });
  const { candidates } = plan.inPlace
    ? await createInPlace(deployment, plan, project, source, async () => !(await drifted(plan)), ports)
    : plan;
  for (const id of plan.before.all) await ports.engine.stop(id);
  signal.throwIfAborted();
  tell("gating", `${plan.service}: starting ${candidates.map(shortId).join(", ")}`);
  return await startAndPass(candidates, await settingsOf(plan, ports), ports, signal, complaints);
}

type Passed = { settings: Settings; containers: Container[] };

async function watchAll(
  deployment: Deployment,
  passed: Passed[],
  ports: Ports,
  signal: AbortSignal,
  complaints: Complaints,
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
function commit(deployment: Deployment, ports: Ports): void {
  ports.store.commit(
    plansOf(deployment, ports).map(({ version, candidates }) =>
      commitOf(deployment, version, candidates, ports.clock),
    ),
  );
}

async function settingsOf({ service, version }: Plan, ports: Ports): Promise<Settings> {
  return await settingsIn(version.recorded, service, ports);
}

function plansOf(deployment: Deployment, ports: Ports): Plan[] {
  return progressOf(deployment, ports).plans;
}

function serviceOf({ service }: Plan, { targets }: Goal): Service {
  const target = targets.find((target) => target.service.name === service);
  if (target === undefined) throw new DeployerError("internal", `no target for ${service}`);
  return target.service;
}
