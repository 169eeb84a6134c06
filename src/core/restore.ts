import { containersOf, isKeptUp } from "./containers.ts";
import { DeployerError } from "./errors.ts";
import { startAndPass } from "./gate.ts";
import { noteRunning } from "./note-running.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { Before } from "./store.ts";
import { settingsIn } from "./recorded-settings.ts";
import { recreate } from "./recreate.ts";

/**
 * Brings a service back to what ran before: the old containers themselves where they still exist,
 * else new ones from the recorded configuration, and waits until they pass the gate. Whatever else the service has is
 * removed. Safe to repeat.
 * @returns whether anything that served had to be started again
 */
export async function restore(
  before: Before,
  project: Named,
  service: Named,
  ports: Ports,
): Promise<boolean> {
  const own = await containersOf(project, service, ports.engine);
  const candidates = own.filter((container) => !before.all.includes(container.id));
  const old = own.filter((container) => before.running.includes(container.id));
  for (const candidate of candidates) await ports.engine.stop(candidate.id);

  const wereReplaced = before.all.length > 0 && candidates.length === own.length;
  const settings = await settingsIn(before.recorded, service.name, ports);
  if (old.length === before.running.length && !wereReplaced) {
    const stopped = old.filter((container) => !isKeptUp(container));
    await remove(candidates, { volumes: true }, ports);
    noteRunning(await startAndPass(stopped, settings, ports), candidates, ports);
    return stopped.length > 0;
  }
  const { recorded } = before;
  await recreate({ recorded }, project, service, async () => false, ports);
  noteOrigin(before, await containersOf(project, service, ports.engine), ports);
  if (before.running.length === 0) return false;
  const made = await containersOf(project, service, ports.engine);
  const restored = await startAndPass(made, settings, ports);
  noteRunning(restored, own, ports);
  assertSameImage(before, made);
  return true;
}

/** A text without a digest may name another image by now. It serves, and must not be called what ran before. */
function assertSameImage({ imageId }: Before, made: Container[]): void {
  const other = made.find((container) => imageId !== "" && container.imageId !== imageId);
  if (other === undefined) return;
  throw new DeployerError(
    "unhealthy",
    `${other.imageText} is another image by now than the one that ran, ${imageId}: docker tag ${imageId} ${other.imageText}, then docker compose up -d ${other.service}`,
  );
}

/** What was made anew is what the old containers were. It starts all the same when that cannot be noted. */
function noteOrigin(
  { running, recorded }: Before,
  made: Container[],
  { store, log }: Pick<Ports, "store" | "log">,
): void {
  try {
    const configHash =
      running.map((id) => store.origin(id)?.configHash).find((hash) => hash !== undefined) ?? "";
    store.saveOrigins(made.map(({ id, service }) => ({ container: id, service, configHash, recorded })));
  } catch (error) {
    log.warn("what a container was made from could not be noted", { error });
  }
}

export async function remove(
  containers: Container[],
  options: { volumes: boolean },
  { engine }: Ports,
): Promise<void> {
  for (const container of containers) await engine.remove(container.id, options);
}
