import { randomUUID } from "node:crypto";
import { appendFileSync } from "node:fs";

type Environment = Readonly<Record<string, string | undefined>>;

/** What later steps of the job can read: `${{ steps.ID.outputs.status }}`. */
export type Outputs = {
  deployment?: string;
  status?: string;
  /** `sha256:…`; of several services `SERVICE=sha256:…`, one a line. */
  digest?: string;
};

/** Into the file that the runner named; nothing of a value is interpreted, its end has a name nobody could know. */
export function writeOutputs(outputs: Outputs, env: Environment): void {
  const text = Object.entries(outputs).map(([name, value]) => {
    const end = randomUUID();
    return `${name}<<${end}\n${value}\n${end}\n`;
  });
  append(env["GITHUB_OUTPUT"], text.join(""));
}

/** Onto the page of the run. */
export function writeSummary(html: string, env: Environment): void {
  append(env["GITHUB_STEP_SUMMARY"], html);
}

function append(file: string | undefined, text: string): void {
  if (file !== undefined && file !== "" && text !== "") appendFileSync(file, text);
}
