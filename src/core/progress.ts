import type { Deployment } from "./deployment.ts";
import type { Ports } from "./ports.ts";
import type { Plan, Progress } from "./store.ts";

const NONE: Progress = {
  stage: "preparing",
  resolved: [],
  doneBefore: [],
  plans: [],
  diagnoses: [],
  failure: undefined,
  lost: { edge: undefined, services: [] },
};

/** How far a deployment has come, as it is on disk. */
export function progressOf({ id }: Deployment, { store }: Pick<Ports, "store">): Progress {
  return store.progress(id) ?? NONE;
}

/** On disk when it returns: before an effect, what is needed to finish or undo it. */
export function saveProgress(
  deployment: Deployment,
  change: Partial<Progress>,
  { store }: Pick<Ports, "store">,
): void {
  store.saveProgress(deployment.id, { ...progressOf(deployment, { store }), ...change });
}

/** Replaces the plan for one service. */
export function savePlan(deployment: Deployment, plan: Plan, ports: Pick<Ports, "store">): void {
  const plans = progressOf(deployment, ports).plans.map((known) =>
    known.service === plan.service ? plan : known,
  );
  saveProgress(deployment, { plans }, ports);
}

/** Whether what it planned is what its services are pinned to: from then on there is no way back. */
export function isCommitted(deployment: Deployment, { store }: Pick<Ports, "store">): boolean {
  const { plans } = progressOf(deployment, { store });
  const pins = new Map(store.pins().map((pin) => [pin.service, pin.deployment]));
  return plans.length > 0 && plans.every(({ service }) => pins.get(service) === deployment.id);
}
