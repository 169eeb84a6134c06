import { shortId } from "./containers.ts";
import type { Deployment, Diagnosis } from "./deployment.ts";
import type { Complaints } from "./gate.ts";
import type { Container, Ports } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";

/** Of a failed container's output. */
const LAST_LINES = 50;

/** Exit codes above 128 are 128 and the number of the signal (POSIX shells and Docker alike). */
const SIGNALS = new Map([
  [1, "SIGHUP"],
  [2, "SIGINT"],
  [3, "SIGQUIT"],
  [4, "SIGILL"],
  [6, "SIGABRT"],
  [7, "SIGBUS"],
  [8, "SIGFPE"],
  [9, "SIGKILL"],
  [11, "SIGSEGV"],
  [13, "SIGPIPE"],
  [15, "SIGTERM"],
]);

/**
 * Gathers what can be told of a container that failed, before it is removed: for the events, the log and the caller.
 * One that was never started, or that goes back only with another, has nothing to tell. What cannot be found out is left out; this never throws.
 */
export async function diagnose(
  deployment: Deployment,
  id: string,
  complaints: Complaints,
  ports: Ports,
): Promise<void> {
  try {
    const container = await ports.engine.container(id);
    if (container === undefined || container.state === "created" || isWell(container, complaints)) return;
    const diagnosis = describe(container, complaints, await lastLines(container, ports));
    tell(diagnosis, deployment, ports);
    const { diagnoses } = progressOf(deployment, ports);
    saveProgress(deployment, { diagnoses: [...diagnoses, diagnosis] }, ports);
  } catch (error) {
    const fields = { deployment: deployment.id, container: id, error };
    ports.log.warn("what a failed container left behind could not be read", fields);
  }
}

function isWell({ id, state, restarts, health }: Container, complaints: Complaints): boolean {
  return state === "running" && restarts === 0 && health !== "unhealthy" && !complaints.has(id);
}

/** One line: everything but the output. */
export function summaryOf(diagnosis: Diagnosis): string {
  const { service, container, exitCode, signal, oomKilled, restarts, health } = diagnosis;
  const facts = [
    exitCode === undefined ? "was running" : `exit code ${exitCode}`,
    signal,
    oomKilled ? "killed for lack of memory" : undefined,
    restarts > 0 ? `restarted ${restarts} times` : undefined,
    health === undefined ? undefined : `last health check: ${health}`,
  ];
  return `container ${container} of "${service}": ${facts.filter((fact) => fact !== undefined).join(", ")}`;
}

function describe(container: Container, complaints: Complaints, output: string[]): Diagnosis {
  // Between two restarts Docker shows how the last run ended.
  const hasEnded = container.state !== "running" || container.restarts > 0;
  const exitCode = hasEnded ? container.exitCode : undefined;
  const health = complaints.get(container.id) ?? container.healthOutput;
  return {
    service: container.service,
    container: shortId(container),
    exitCode,
    signal: exitCode === undefined ? undefined : SIGNALS.get(exitCode - 128),
    oomKilled: container.oomKilled,
    restarts: container.restarts,
    health: health === "" ? undefined : health,
    output,
  };
}

function tell(diagnosis: Diagnosis, { id }: Deployment, { journal, log }: Ports): void {
  log.error("a container failed", { deployment: id, ...diagnosis });
  journal.event(id, "diagnosis", "error", summaryOf(diagnosis));
  for (const line of diagnosis.output) journal.event(id, "output", "info", line);
}

/** Without its output the rest is still worth telling. */
async function lastLines(container: Container, { engine, log }: Ports): Promise<string[]> {
  try {
    return await engine.logs(container.id, LAST_LINES);
  } catch (error) {
    log.warn("the output of a failed container could not be read", { container: shortId(container), error });
    return [];
  }
}
