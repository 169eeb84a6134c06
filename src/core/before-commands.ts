import { describeEnd } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import { diagnose } from "./diagnosis.ts";
import { DeployerError } from "./errors.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";
import { storyOf } from "./story.ts";
import type { Goal, Target } from "./target.ts";

/** A migration of a large table takes its time; one that hangs must not hold the queue for ever. */
const COMMAND_WITHIN_MS = 60 * 60_000;
const LOOK_EVERY_MS = 250;
const START_UNDER_WAY_MS = 3_000;

/** The containers of these commands carry it: `<deployment>.<service>.<number>`. */
const LABEL = "deployer-service.before";

/**
 * Runs what `x-deployer.before` of each service says, one command after the other, each in a one-off container of the new
 * image. A rollback runs none: an old migration knows nothing of what came after it. A command is never started twice for one deployment: after a kill of the daemon its container is found by its
 * label and waited for, and what has ended well is noted on disk.
 * Errors: `before`, for a command that fails; the signal's reason, and then the command is stopped.
 */
export async function runBefore(
  deployment: Deployment,
  goal: Goal,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  if (deployment.kind === "rollback") return;
  for (const target of goal.targets) {
    for (const [index, argv] of target.service.settings.before.entries()) {
      const name = `${deployment.id}.${target.service.name}.${index + 1}`;
      if (progressOf(deployment, ports).doneBefore.includes(name)) continue;
      storyOf(deployment, ports)("before", `${target.service.name}: running ${argv.join(" ")}`);
      await runOne(name, argv, deployment, target, goal, ports, signal);
    }
  }
}

/** Removes the containers of commands whose deployment has ended; until then they say that the command has run. */
export async function removeDoneBefore({ engine, store }: Ports): Promise<void> {
  const project = store.projectName();
  if (project === undefined) return;
  const unfinished = new Set(store.unfinished().map(({ id }) => id));
  for (const { id, labels } of await engine.containers(project)) {
    const deployment = labels[LABEL]?.split(".")[0];
    if (deployment !== undefined && !unfinished.has(deployment)) await engine.remove(id, { volumes: true });
  }
}

async function runOne(
  name: string,
  argv: string[],
  deployment: Deployment,
  { service }: Target,
  goal: Goal,
  ports: Ports,
  signal: AbortSignal,
): Promise<void> {
  const { compose } = ports;
  const found = (await find(name, goal.project, ports)) ?? (await start());
  await ensureStarted(found, ports);
  const ended = await untilEnded(found, argv, ports, signal);
  if (ended.exitCode !== 0) {
    await diagnose(deployment, ended.id, new Map(), ports);
    throw new DeployerError(
      "before",
      `${argv.join(" ")} (x-deployer.before of "${service.name}") ${describeEnd(ended)}`,
    );
  }
  const { doneBefore } = progressOf(deployment, ports);
  saveProgress(deployment, { doneBefore: [...doneBefore, name] }, ports);

  async function start(): Promise<Container> {
    const isNeeded = async () => (await find(name, goal.project, ports)) === undefined;
    const failure = await compose
      .runOneOff(goal.source, service.name, argv, { [LABEL]: name }, isNeeded)
      .then(() => undefined)
      .catch((error: unknown) => error);
    // Whatever became of Compose: where there is a container, the command may be at work.
    const started = await find(name, goal.project, ports);
    if (started !== undefined) return started;
    throw failure ?? removed(argv);
  }
}

async function find(name: string, project: Named, { engine }: Ports): Promise<Container | undefined> {
  return (await engine.containers(project.name)).find(({ labels }) => labels[LABEL] === name);
}

/** One whose Compose was killed between creating and starting it; a start that Docker had been asked for is waited for. */
async function ensureStarted({ id, state }: Container, { engine, clock }: Ports): Promise<void> {
  if (state !== "created") return;
  await clock.sleep(START_UNDER_WAY_MS);
  const now = await engine.container(id);
  if (now?.state === "created") await engine.start(id);
}

async function untilEnded(
  { id }: Container,
  argv: string[],
  { engine, clock }: Ports,
  signal: AbortSignal,
): Promise<Container> {
  const deadline = clock.now() + COMMAND_WITHIN_MS;
  for (;;) {
    const container = await engine.container(id);
    if (container === undefined) throw removed(argv);
    if (container.state === "exited" || container.state === "dead") return container;
    if (signal.aborted || clock.now() >= deadline) {
      await engine.stop(id);
      signal.throwIfAborted();
      const minutes = COMMAND_WITHIN_MS / 60_000;
      throw new DeployerError(
        "before",
        `${argv.join(" ")} did not end within ${minutes} minutes and was stopped`,
      );
    }
    await clock.sleep(LOOK_EVERY_MS);
  }
}

function removed(argv: string[]): DeployerError {
  return new DeployerError("before", `the container of ${argv.join(" ")} was removed by somebody else`);
}
