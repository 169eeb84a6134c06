import type { Deployment, Diagnosis } from "../core/deployment.ts";
import { updateFailed } from "./reply.ts";

/** Lines of what a container printed that a caller gets to read. */
const LAST_LINES = 50;
const TIMES = ["", "once", "twice"];

/** What a caller reads of a deployment that did not succeed: why, what serves now, and what each failed container left behind. */
export function failureText({ reason, diagnoses }: Deployment): string {
  return [updateFailed(reason), ...diagnoses.flatMap(linesOf)].join("\n");
}

function linesOf(diagnosis: Diagnosis): string[] {
  const { service, container, output } = diagnosis;
  return [
    `container ${container} of service "${service}": ${factsOf(diagnosis).join(", ")}`,
    headingOf(output),
    ...output.slice(-LAST_LINES).map((line) => `  ${line}`),
  ];
}

function factsOf({ exitCode, signal, oomKilled, restarts, health }: Diagnosis): string[] {
  const end = exitCode === undefined ? "still running" : `exit code ${exitCode}`;
  return [
    signal === undefined ? end : `${end} (${signal})`,
    oomKilled ? "killed for lack of memory" : "",
    restarts === 0 ? "" : `restarted ${TIMES[restarts] ?? `${restarts} times`}`,
    health ? `health: ${health}` : "",
  ].filter((fact) => fact !== "");
}

function headingOf(output: readonly string[]): string {
  if (output.length === 0) return "it printed nothing";
  return output.length < LAST_LINES ? "all it printed:" : `the last ${LAST_LINES} lines it printed:`;
}
