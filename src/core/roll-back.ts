import { containersOf, shortId } from "./containers.ts";
import type { Deployment, Outcome } from "./deployment.ts";
import { errorCode, publicMessage } from "./errors.ts";
import type { Engine, Ports, Project, Service } from "./ports.ts";
import type { Before } from "./store.ts";
import { restore } from "./restore.ts";
import { describeServing } from "./serving.ts";
import { renewSharers } from "./sharers.ts";
import type { Target } from "./target.ts";

/** Of a failed candidate's output. */
const LAST_LINES = 50;
/** How long the way back waits for Docker. */
const DOCKER_RETURNS_WITHIN_MS = 300_000;
const ASK_DOCKER_EVERY_MS = 1_000;

/** The way back after `cause`. It never throws: a rollback that fails is an outcome too, the one that needs a person. */
export async function rollBack(
  cause: unknown,
  deployment: Deployment,
  { service, digest }: Target,
  project: Project,
  before: Before,
  ports: Ports,
): Promise<Outcome> {
  const fields = { deployment: deployment.id, service: service.name };
  ports.log.error("rollout failed, going back", { ...fields, error: cause });
  await logLastWords(project, service, before, fields, ports);
  const why = publicMessage(cause);
  ports.journal.event(deployment.id, "going_back", "error", why);
  try {
    const touched = await restoreWithDocker(before, project, service, ports);
    const failures = touched ? await renewSharers(project, service, ports) : [];
    const status = touched ? "rolled_back" : "failed";
    const reason = [why, await describeServing(service.name, ports), ...failures].join("\n");
    return { status, changed: false, digest, code: errorCode(cause), reason };
  } catch (error) {
    ports.log.error("rollback failed: a person is needed", { ...fields, error });
    const reason = `${why}\nthe rollback failed too, a person is needed: ${publicMessage(error)}\n${await describeServing(service.name, ports)}`;
    return { status: "rollback_failed", changed: true, digest, code: errorCode(cause), reason };
  }
}

/** What the candidates printed goes to the log, for the operator only: with them it would be gone. */
async function logLastWords(
  project: Project,
  service: Service,
  before: Before,
  fields: Record<string, unknown>,
  { engine, log }: Ports,
): Promise<void> {
  try {
    const containers = await containersOf(project, service, engine);
    for (const container of containers.filter(({ id }) => !before.all.includes(id))) {
      const lines = await engine.logs(container.id, LAST_LINES);
      if (lines.length > 0)
        log.error("last lines of the candidate", { ...fields, container: shortId(container), lines });
    }
  } catch (error) {
    log.warn("the candidate's output could not be read", { ...fields, error });
  }
}

/** The way back waits for a Docker that is being restarted: half of it would leave both versions to come back. */
async function restoreWithDocker(
  before: Before,
  project: Project,
  service: Service,
  ports: Ports,
): Promise<boolean> {
  const deadline = ports.clock.now() + DOCKER_RETURNS_WITHIN_MS;
  for (;;) {
    try {
      return await restore(before, project, service, ports);
    } catch (error) {
      if (ports.clock.now() >= deadline || (await answers(ports.engine))) throw error;
      await ports.clock.sleep(ASK_DOCKER_EVERY_MS);
    }
  }
}

async function answers(engine: Engine): Promise<boolean> {
  return await engine.ping().then(
    () => true,
    () => false,
  );
}
