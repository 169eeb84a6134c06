import { containersOf, shortId } from "./containers.ts";
import type { Named, Source } from "./compose.ts";
import type { Ports } from "./ports.ts";

/**
 * Compose's own recreate, for what only it can hand on. A signal may end it half-way: what it left is removed before it
 * is done again, or its temporary name would be in the way. Errors: `rollout`.
 */
export async function recreate(
  source: Source,
  project: Named,
  service: Named,
  withDependencies: () => Promise<boolean>,
  ports: Ports,
): Promise<void> {
  await ports.compose.recreate(source, service.name, async () => {
    await removeHalfMade(project, service, ports);
    return { withDependencies: await withDependencies() };
  });
}

/**
 * Compose names the new container after the one it will replace, `<12 digits>_web`, until that is gone. While both are
 * there the new one is of no use, and the old one keeps the volumes they share.
 */
async function removeHalfMade(project: Named, service: Named, { engine }: Ports): Promise<void> {
  const own = await containersOf(project, service, engine);
  for (const { id, name } of own) {
    if (own.some((other) => name.startsWith(`${shortId(other)}_`)))
      await engine.remove(id, { volumes: true });
  }
}
