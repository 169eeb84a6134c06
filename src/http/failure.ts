import type { Deployment, Diagnosis } from "../core/deployment.ts";
import { summaryOf } from "../core/diagnosis.ts";
import { WITHHELD } from "./output.ts";
import { updateFailed } from "./reply.ts";

/** Lines of what a container printed that a caller gets to read. */
const LAST_LINES = 50;

/** What a caller reads of a deployment that did not succeed: why, what serves now, and what each failed container left behind. */
export function failureText({ reason, diagnoses }: Deployment, seesOutput: boolean): string {
  return [updateFailed(reason), ...diagnoses.flatMap((each) => linesOf(each, seesOutput))].join("\n");
}

function linesOf(diagnosis: Diagnosis, seesOutput: boolean): string[] {
  const { output } = diagnosis;
  if (!seesOutput) return [summaryOf({ ...diagnosis, health: undefined }), WITHHELD];
  return [summaryOf(diagnosis), headingOf(output), ...output.slice(-LAST_LINES).map((line) => `  ${line}`)];
}

function headingOf(output: readonly string[]): string {
  if (output.length === 0) return "it printed nothing";
  return output.length < LAST_LINES ? "all it printed:" : `the last ${LAST_LINES} lines it printed:`;
}
