import { startDocker } from "../test/support/docker.ts";
import { ensureMachine } from "../test/support/machine.ts";
import { startRegistry } from "../test/support/registry.ts";
import { run } from "../test/support/run.ts";
import { STAGE_VARIABLES } from "../test/support/stage.ts";

const BINARY = `${process.cwd()}/.test/deployer-service`;

/** Exit code of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/**
 * Builds the program, starts a private Docker and a registry, runs `work` on them, and takes everything down again, also
 * after Ctrl-C: then the signal aborts, and `work` should end at its next step.
 */
export async function onStage(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interruption = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(name, () => {
      say(`${name}: cleaning up`);
      interruption.abort();
    });
  try {
    await onFreshStage(() => work(interruption.signal));
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  }
}

/** Waits, unless it is interrupted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await Bun.sleep(milliseconds);
  signal.throwIfAborted();
}

async function onFreshStage(work: () => Promise<void>): Promise<void> {
  await ensureMachine(say);
  await run([process.execPath, "build.ts", "--outfile", BINARY, "--version", "v1.2.3"]);
  await using docker = await startDocker();
  await using registry = await startRegistry();
  process.env[STAGE_VARIABLES.dockerHost] = docker.host;
  process.env[STAGE_VARIABLES.registry] = registry.address;
  process.env[STAGE_VARIABLES.binary] = BINARY;
  await work();
}

/** Progress, apart from the result. */
export function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
