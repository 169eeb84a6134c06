import { containersOf, isKeptUp } from "./containers.ts";
import { dependenciesOf } from "./dependencies.ts";
import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { withImage } from "./pins.ts";
import type { Service } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { saveProgress } from "./progress.ts";
import type { Strategy } from "./settings.ts";
import type { Before, Plan } from "./store.ts";
import { storyOf } from "./story.ts";
import { chooseStrategy } from "./strategy.ts";
import type { Goal, Target } from "./target.ts";
import { numberOf } from "./versions.ts";

type Chosen = { strategy: Strategy; bringsEdge: boolean };

/** By service. */
export type Strategies = ReadonlyMap<string, Chosen>;

/**
 * @param bringEdge services whose old containers have the ports of the edge
 * Errors: `not_deployable`, for a service that cannot be rolled out as its settings want, or not together with the others.
 */
export async function chooseStrategies(
  deployment: Deployment,
  { project, targets }: Goal,
  bringEdge: ReadonlySet<string>,
  ports: Ports,
): Promise<Strategies> {
  const together = new Set(targets.map(({ service }) => service.name));
  const chosen = new Map<string, Chosen>();
  for (const { service, image } of targets) {
    const owner = service.sharesWith.find((name) => together.has(name));
    if (owner !== undefined)
      throw new DeployerError(
        "not_deployable",
        `"${service.name}" lives in the namespaces or volumes of "${owner}": deploy them one after the other`,
      );
    const runs = (await containersOf(project, service, ports.engine)).some(isKeptUp);
    const bringsEdge = bringEdge.has(service.name);
    const now = { hasImageVolumes: image.hasVolumes, runs, bringsEdge };
    const { strategy, reason } = chooseStrategy(service, project, now);
    storyOf(deployment, ports)("strategy", `${service.name}: ${strategy}, ${reason}`);
    chosen.set(service.name, { strategy, bringsEdge });
  }
  return chosen;
}

/** Decides every step and writes it down, dependencies first; nothing has happened yet. */
export async function planRollout(
  deployment: Deployment,
  strategies: Strategies,
  goal: Goal,
  ports: Ports,
): Promise<Plan[]> {
  const plans: Plan[] = [];
  for (const target of inOrder(goal)) {
    const { service, version } = target;
    const old = await containersOf(goal.project, service, ports.engine);
    const { strategy, bringsEdge } = chosenFor(service, strategies);
    plans.push({
      service: service.name,
      strategy,
      inPlace: strategy === "recreate" && isReplacedByCompose(service, old),
      bringsEdge,
      version: {
        service: service.name,
        imageText: target.imageText,
        fileImage: target.fileImage,
        digest: target.digest,
        imageId: target.image.id,
        recorded: version?.recorded ?? (await ports.compose.record(goal.images)),
        configHash: service.configHash,
        number: numberOf(target, ports.store.versions(service.name)),
      },
      replicas: service.replicas,
      candidates: [],
      before: await beforeOf(service, old, goal, ports),
    });
  }
  saveProgress(deployment, { plans }, ports);
  return plans;
}

function chosenFor({ name }: Service, strategies: Strategies): Chosen {
  const chosen = strategies.get(name);
  if (chosen === undefined) throw new DeployerError("internal", `no strategy for ${name}`);
  return chosen;
}

/** Those that others of the same deployment depend on come first. */
function inOrder({ project, targets }: Goal): Target[] {
  const order = new Set<Target>();
  for (const target of targets) {
    for (const { name } of dependenciesOf(project, target.service)) {
      const needed = targets.find(({ service }) => service.name === name);
      if (needed !== undefined) order.add(needed);
    }
    order.add(target);
  }
  return [...order];
}

/** A fixed name cannot be had twice, and only Compose's own recreate hands anonymous volumes on. */
function isReplacedByCompose({ containerName }: Service, old: Container[]): boolean {
  return (
    (containerName !== undefined && old.length > 0) ||
    old.some(({ anonymousVolumes }) => anonymousVolumes.length > 0)
  );
}

async function beforeOf(service: Service, old: Container[], goal: Goal, ports: Ports): Promise<Before> {
  const running = old.filter(isKeptUp);
  const first = running[0] ?? old[0];
  const recorded =
    first === undefined
      ? ""
      : (ports.store.origin(first.id)?.recorded ??
        (await ports.compose.record(withImage(goal.images, service.name, first.imageText))));
  return {
    running: running.map(({ id }) => id),
    all: old.map(({ id }) => id),
    imageId: first?.imageId ?? "",
    recorded,
  };
}
