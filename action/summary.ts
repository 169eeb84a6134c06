import { z } from "zod";

import type { DeploymentAnswer } from "../src/client/answers.ts";
import { duration } from "../src/client/duration.ts";
import { shortDigest } from "../src/client/short-image.ts";
import { failedContainers } from "./failed-containers.ts";
import { inert, inertLines } from "./inert.ts";
import { headingOf, type Outcome } from "./outcome.ts";
import type { StageTime } from "./stages.ts";

/** Of what a container printed; the log has all that the daemon gave. */
const LAST_LINES = 20;
/** In characters: GitHub shows no page of more than a megabyte. */
const LONGEST_LINE = 300;

const Digest = z.string().nullable().catch(null);
const Counted = z.object({
  requests: z.number(),
  failed: z.number(),
  latency_ms: z.object({ p99: z.number().nullable() }),
  since_restart: z.boolean().default(false),
});

/** What is known of a deployment when nobody waits any more. */
export type Report = {
  /** For the heading: the services it is about. */
  services: readonly string[];
  outcome: Outcome;
  /** Undefined when it was not accepted. */
  id: string | undefined;
  /** Undefined as long as it has not ended. */
  deployment: DeploymentAnswer | undefined;
  stages: readonly StageTime[];
};

/**
 * For the page of the run. It is one block of HTML without an empty line, because there Markdown would begin again; what
 * others wrote is escaped and stands in `<code>` or `<pre>`, where GitHub looks for no mentions, links or formulas either.
 */
export function summaryOf(report: Report): string {
  const { services, outcome, id, deployment, stages } = report;
  const parts = [
    `<h3>${escape(headingOf(services, outcome))}</h3>`,
    deployment === undefined ? "" : servicesTable(deployment),
    paragraph(outcome.reason),
    stages.length === 0 ? "" : stagesTable(stages),
    ...(deployment === undefined ? [] : failures(deployment)),
    id === undefined ? "" : `<p>deployment ${code(id)}</p>`,
  ];
  return `${parts.filter((part) => part !== "").join("\n")}\n\n`;
}

function servicesTable(deployment: DeploymentAnswer): string {
  const isDone = deployment.status === "succeeded";
  const head = row("th", ["service", "from", "to", "serves now", "requests lost"]);
  const rows = deployment.services.map((part) => {
    const from = digest(Digest.parse(part["from"]));
    const to = digest(part.digest);
    // What serves after a failure is in the reason, as Docker says it.
    return row("td", [code(part.service), from, to, isDone ? to : "see below", lost(part["traffic"])]);
  });
  return `<table>\n${[head, ...rows].join("\n")}\n</table>`;
}

function stagesTable(stages: readonly StageTime[]): string {
  const head = row("th", ["stage", "time"]);
  const rows = stages.map(({ stage, milliseconds }) => row("td", [stage, duration(milliseconds)]));
  return `<table>\n${[head, ...rows].join("\n")}\n</table>`;
}

function failures(deployment: DeploymentAnswer): string[] {
  return failedContainers(deployment).flatMap(({ title, output }) => {
    const last = output.slice(-LAST_LINES).map((line) => line.slice(0, LONGEST_LINE).toWellFormed());
    return [`<p>${code(title)}</p>`, last.length === 0 ? "" : `<pre>${last.map(escape).join("&#10;")}</pre>`];
  });
}

/** As the proxy in front counted them. */
function lost(traffic: unknown): string {
  const counted = Counted.safeParse(traffic);
  if (!counted.success) return "not counted";
  const { requests, failed, latency_ms, since_restart } = counted.data;
  const slowest = latency_ms.p99 === null ? "" : `, p99 ${Math.ceil(latency_ms.p99)} ms`;
  const from = since_restart ? ", since the daemon's restart" : "";
  return `${failed} of ${requests}${slowest}${from}`;
}

function digest(text: string | null): string {
  return text === null ? "not known" : code(shortDigest(text));
}

function paragraph(text: string): string {
  const lines = inertLines(text);
  return lines.length === 0 ? "" : `<p>${lines.map(code).join("<br>")}</p>`;
}

function row(tag: "th" | "td", cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join("")}</tr>`;
}

function code(text: string): string {
  return `<code>${escape(inert(text))}</code>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
