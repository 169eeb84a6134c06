import { shortId } from "./containers.ts";
import type { Deployment, Diagnosis } from "./deployment.ts";
import type { Complaints } from "./gate.ts";
import type { Container } from "./engine.ts";
import type { Complaint } from "./health.ts";
import type { Ports } from "./ports.ts";
import { progressOf, saveProgress } from "./progress.ts";

/** Of a failed container's output. */
const LAST_LINES = 50;
const DOWN_AGAIN_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 50;
const TIMES = ["", "once", "twice"];

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
 * One that was never started, or that goes back only with another, has nothing to tell. What cannot be found out is left
 * out; this never throws.
 */
export async function diagnose(
  deployment: Deployment,
  id: string,
  complaints: Complaints,
  ports: Ports,
): Promise<void> {
  try {
    const container = await untilDown(await ports.engine.container(id), ports);
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

/** Docker forgets how a container ended as soon as it has restarted it: one in a crash loop is soon down again. */
async function untilDown(
  first: Container | undefined,
  { engine, clock }: Ports,
): Promise<Container | undefined> {
  const deadline = clock.now() + DOWN_AGAIN_WITHIN_MS;
  let container = first;
  while (container?.state === "running" && container.restarts > 0 && clock.now() < deadline) {
    await clock.sleep(LOOK_EVERY_MS);
    container = await engine.container(container.id);
  }
  return container;
}

function isWell({ id, state, restarts, health }: Container, complaints: Complaints): boolean {
  return state === "running" && restarts === 0 && health !== "unhealthy" && !complaints.has(id);
}

/** One line: everything but the output. */
export function summaryOf(diagnosis: Diagnosis): string {
  const { service, container, exitCode, signal, oomKilled, restarts, health } = diagnosis;
  const end = exitCode === undefined ? "still running" : `exit code ${exitCode}`;
  const facts = [
    signal === undefined ? end : `${end} (${signal})`,
    oomKilled ? "killed for lack of memory" : "",
    restarts === 0 ? "" : `restarted ${TIMES[restarts] ?? `${restarts} times`}`,
    health === undefined || health === "" ? "" : `health: ${health}`,
  ];
  return `container ${container} of service "${service}": ${facts.filter((fact) => fact !== "").join(", ")}`;
}

function describe(container: Container, complaints: Complaints, output: string[]): Diagnosis {
  const exitCode = container.state === "running" ? undefined : container.exitCode;
  const health = wordsOf(complaints.get(container.id)) ?? container.healthOutput;
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

function wordsOf(complaint: Complaint | undefined): string | undefined {
  if (complaint === undefined) return undefined;
  const { what, output } = complaint;
  return output === "" ? what : `${what}: ${output}`;
}

/** What a container has printed itself stands in events of its own, which not everybody may see. */
function tell(diagnosis: Diagnosis, { id }: Deployment, { journal, log }: Ports): void {
  const { health, output } = diagnosis;
  log.error("a container failed", { deployment: id, ...diagnosis });
  journal.event(id, "diagnosis", "error", summaryOf({ ...diagnosis, health: undefined }));
  if (health !== undefined) journal.event(id, "output", "info", `health: ${health}`);
  for (const line of output) journal.event(id, "output", "info", line);
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
