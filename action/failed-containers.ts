import { z } from "zod";

import type { DeploymentAnswer } from "../src/client/answers.ts";
import { inert } from "./inert.ts";

const Diagnoses = z.array(
  z.object({
    service: z.string(),
    container: z.string(),
    exit_code: z.int().nullish(),
    signal: z.string().nullish(),
    oom_killed: z.boolean().nullish(),
    health: z.string().nullish(),
    output: z.array(z.string()),
    /** Why this caller does not see what it printed. */
    withheld: z.string().optional(),
  }),
);

/** A container that failed: how it ended, in one line, and its last lines, of which nothing is interpreted. */
export type FailedContainer = { title: string; output: string[] };

/** None where the daemon tells of none, or in a way that is not understood. */
export function failedContainers(deployment: DeploymentAnswer): FailedContainer[] {
  const diagnoses = Diagnoses.safeParse(deployment["diagnosis"]);
  return (diagnoses.success ? diagnoses.data : []).map((diagnosis) => ({
    title: titleOf(diagnosis),
    output: diagnosis.output.map(inert),
  }));
}

function titleOf(diagnosis: z.infer<typeof Diagnoses>[number]): string {
  const { service, container, exit_code, signal, oom_killed, health, output, withheld } = diagnosis;
  const end = exit_code == null ? "still running" : `exit code ${exit_code}`;
  const facts = [
    signal == null ? end : `${end} (${signal})`,
    oom_killed === true ? "killed for lack of memory" : "",
    health == null ? "" : `health: ${health}`,
  ];
  const how = facts.filter((fact) => fact !== "").join(", ");
  return inert(`container ${container} of service "${service}": ${how}; ${withheld ?? printed(output)}`);
}

function printed({ length }: readonly string[]): string {
  return length === 0 ? "it printed nothing" : "the last it printed:";
}
