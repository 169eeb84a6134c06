import type { DeploymentAnswer, EventAnswer } from "../client/answers.ts";
import { duration } from "../client/duration.ts";
import { indented } from "./tables.ts";
import { localTime } from "./times.ts";

/** `2026-11-23 06:00:00  started      its turn has come`. */
export function eventLine({ at, phase, level, text }: EventAnswer): string {
  const mark = level === "info" ? "" : level === "warn" ? "warning: " : "error: ";
  return `${localTime(at)}  ${phase.padEnd(12)} ${mark}${indented(text, 0)}\n`;
}

/** How it ended, and why. */
export function endLines(deployment: DeploymentAnswer): string {
  const { id, status, reason, created_at, ended_at, changed } = deployment;
  const took = ended_at === null ? "" : ` in ${duration(Date.parse(ended_at) - Date.parse(created_at))}`;
  const how =
    status === "succeeded" && changed === false ? `${status}, nothing had changed` : `${status}${took}`;
  const why = reason === "" ? "" : `\n${indented(reason, 0)}`;
  return `deployment ${id} of ${nameOf(deployment)}: ${how}${why}\n`;
}

export function nameOf({ services }: DeploymentAnswer): string {
  return services.map(({ service }) => service).join(", ");
}
