import { isRunning, shortId } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import type { Named } from "./compose.ts";
import type { Ports } from "./ports.ts";
import { settingsIn } from "./recorded-settings.ts";
import type { Before } from "./store.ts";
import { storyOf } from "./story.ts";

/** What a container has begun may take this long; then it is told to stop. */
const DRAIN_WITHIN_MS = 30_000;

/**
 * Runs the `x-deployer.drain_command` of the version that is about to stop in each of its containers, all at once: they can
 * ask their proxy for no more work, or finish what they have begun. It never throws: a command that fails is told, and the
 * container is stopped all the same.
 */
export async function drain(
  deployment: Deployment,
  { running, recorded }: Before,
  service: Named,
  ports: Ports,
): Promise<void> {
  const { drainCommand } = await settingsIn(recorded, service.name, ports);
  if (drainCommand === undefined) return;
  await Promise.all(running.map((id) => drainOne(deployment, id, service, drainCommand, ports)));
}

async function drainOne(
  deployment: Deployment,
  id: string,
  { name }: Named,
  argv: string[],
  ports: Ports,
): Promise<void> {
  const what = `${name}: ${argv.join(" ")} in ${shortId({ id })}`;
  try {
    const container = await ports.engine.container(id);
    if (container === undefined || !isRunning(container)) return;
    storyOf(deployment, ports)("draining", what);
    const { exitCode, output } = await ports.engine.exec(id, argv, DRAIN_WITHIN_MS);
    if (exitCode === 0) return;
    const how = exitCode === undefined ? `took over ${DRAIN_WITHIN_MS / 1000} s` : `exited with ${exitCode}`;
    tellFailure(deployment, `${what} ${how}`, ports);
    if (output !== "") storyOf(deployment, ports)("output", output);
  } catch (error) {
    tellFailure(deployment, `${what} failed: ${publicMessage(error)}`, ports);
  }
}

function tellFailure({ id }: Deployment, text: string, { journal, log }: Ports): void {
  journal.event(id, "draining", "warn", `${text}; it is stopped all the same`);
  log.warn("an old container could not be drained", { deployment: id, reason: text });
}
