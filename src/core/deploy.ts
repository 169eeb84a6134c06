import { containersOf } from "./containers.ts";
import { startDependencies } from "./dependencies.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { errorCode, publicMessage } from "./errors.ts";
import { pinnedText } from "./image.ts";
import { currentPins, imageTexts, withImage } from "./pins.ts";
import type { Ports, Service } from "./ports.ts";
import { authorise } from "./request.ts";
import { rollOut } from "./rollout.ts";
import { describeServing } from "./serving.ts";
import { resolveTarget, type Target } from "./target.ts";
import { isUnchanged, keepUnchanged } from "./unchanged.ts";

/**
 * One deployment from its turn in the queue to its outcome. It never throws: a failure is an outcome too.
 * Up to `rollOut` nothing that serves has been touched. When `signal` aborts, it ends before its next step.
 */
export async function deploy(deployment: Deployment, ports: Ports, signal: AbortSignal): Promise<Outcome> {
  let target: Target | undefined;
  try {
    const project = await ports.compose.project();
    const service = authorise(deployment, project);
    const pins = imageTexts(await currentPins(project, ports));
    target = await resolveTarget(deployment, service, ports, signal);
    const text = pinnedText(target.image, target.digest);
    ports.journal.event(deployment.id, "resolved", "info", `to be rolled out: ${text}`);
    await ports.registry.pull(target.image, target.digest, signal);
    ports.journal.event(deployment.id, "pulled", "info", `${text} is on this host`);

    const running = await containersOf(project, service, ports.engine);
    if (!deployment.force && (await isUnchanged(target, running, pins, ports))) {
      await keepUnchanged(deployment, target, running, pins, ports);
      ports.journal.event(deployment.id, "unchanged", "info", "the same image and configuration run already");
      return { status: "succeeded", changed: false, digest: target.digest, reason: "", code: undefined };
    }
    const images = withImage(pins, service.name, text);
    tellDependencies(deployment, service, ports);
    await startDependencies(project, service, images, ports, signal);
    return await rollOut(deployment, target, project, images, ports, signal);
  } catch (error) {
    return await failed(error, deployment, target, ports);
  }
}

function tellDependencies({ id }: Deployment, { dependsOn }: Service, { journal }: Ports): void {
  if (dependsOn.length === 0) return;
  const names = dependsOn.map(({ service }) => service).join(", ");
  journal.event(id, "dependencies", "info", `seeing to what it depends on: ${names}`);
}

async function failed(
  error: unknown,
  deployment: Deployment,
  target: Target | undefined,
  ports: Ports,
): Promise<Outcome> {
  ports.log.error("deployment failed", { deployment: deployment.id, service: deployment.service, error });
  return {
    status: "failed",
    changed: false,
    digest: target?.digest,
    code: errorCode(error),
    reason: `${publicMessage(error)}\n${await describeServing(deployment.service, ports)}`,
  };
}
