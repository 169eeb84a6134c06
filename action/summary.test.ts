import { expect, test } from "bun:test";

import type { DeploymentAnswer } from "../src/client/answers.ts";
import { outcomeOf } from "./outcome.ts";
import { type Report, summaryOf } from "./summary.ts";

const DIGESTS = ["a", "b"].map((letter) => `sha256:${letter.repeat(64)}`);

function deployment(more: Partial<DeploymentAnswer> = {}): DeploymentAnswer {
  return {
    id: "d1",
    kind: "deploy",
    to: null,
    services: [{ service: "web", image: "web:v2", from: DIGESTS[0], digest: DIGESTS[1] ?? null }],
    status: "succeeded",
    reason: "",
    changed: true,
    created_at: "2026-11-23T12:00:00.000Z",
    started_at: null,
    ended_at: null,
    ...more,
  };
}

function report(ended: DeploymentAnswer, more: Partial<Report> = {}): Report {
  return { services: ["web"], outcome: outcomeOf(ended), id: "d1", deployment: ended, stages: [], ...more };
}

test("requests that were counted since a restart of the daemon alone are told so", () => {
  const traffic = { requests: 12, failed: 0, latency_ms: { p99: null }, since_restart: true };
  const [part] = deployment().services;
  const ended = deployment({ services: [{ service: "web", image: null, digest: null, ...part, traffic }] });
  expect(summaryOf(report(ended))).toContain("<td>0 of 12, since the daemon's restart</td>");
});

test("it tells what took the place of what, what was lost, and how long it took", () => {
  const traffic = { requests: 12_431, failed: 3, latency_ms: { p99: 7.2 } };
  const [part] = deployment().services;
  const ended = deployment({
    services: [{ ...part, service: "web", image: null, digest: DIGESTS[1] ?? null, traffic }],
  });
  expect(summaryOf(report(ended, { stages: [{ stage: "gate", milliseconds: 3_400 }] }))).toBe(
    `<h3>web: succeeded</h3>
<table>
<tr><th>service</th><th>from</th><th>to</th><th>serves now</th><th>requests lost</th></tr>
<tr><td><code>web</code></td><td><code>sha256:aaaaaaaaaaaa</code></td><td><code>sha256:bbbbbbbbbbbb</code></td><td><code>sha256:bbbbbbbbbbbb</code></td><td>3 of 12431, p99 8 ms</td></tr>
</table>
<table>
<tr><th>stage</th><th>time</th></tr>
<tr><td>gate</td><td>3.4 s</td></tr>
</table>
<p>deployment <code>d1</code></p>

`,
  );
});

test("after a failure it says why, what serves now, and what the container printed last", () => {
  const output = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const long = "x".repeat(1_000);
  const ended = deployment({
    status: "rolled_back",
    reason: "exited with code 3\nwhat serves now: web:v1",
    diagnosis: [{ service: "web", container: "abc", exit_code: 3, output: [...output, long] }],
  });
  const summary = summaryOf(report(ended));
  expect(summary).toContain("<p><code>exited with code 3</code><br><code>what serves now: web:v1</code></p>");
  expect(summary).toContain("<td>see below</td><td>not counted</td>");
  expect(summary).toContain(`<pre>${[...output.slice(-19), long.slice(0, 300)].join("&#10;")}</pre>`);
});

test("what others wrote is neither HTML nor Markdown", () => {
  const hostile = `</code></pre><img src="x" onerror='a&b'>\n\n# heading\n| a | b |\n\u0060\u0060\u0060\n@octocat`;
  const ended = deployment({
    id: hostile,
    services: [{ service: hostile, image: null, from: 1, digest: hostile, traffic: "none" }],
    status: "failed",
    reason: hostile,
    diagnosis: [{ service: hostile, container: hostile, health: hostile, output: [hostile, "", hostile] }],
  });
  const summary = summaryOf(report(ended, { services: [hostile], id: hostile }));
  // Markdown begins again after an empty line.
  expect(summary.trimEnd()).not.toMatch(/\n\s*\n/);
  for (const line of summary.trimEnd().split("\n")) expect(line).toMatch(/^<(?:h3|\/?table|tr|p|pre)>/);
  const tags = new Set(summary.match(/<[^>]*>/g));
  const ours = ["h3", "table", "tr", "th", "td", "code", "p", "br", "pre"];
  expect(
    [...tags].filter((tag) => !ours.some((name) => tag === `<${name}>` || tag === `</${name}>`)),
  ).toEqual([]);
  for (const name of ["code", "pre", "table", "tr", "td"])
    expect(summary.split(`<${name}>`)).toHaveLength(summary.split(`</${name}>`).length);
});

test("what was refused has a page too", () => {
  const outcome = { exitCode: 6, level: "error", title: "not authorized", reason: "no" } as const;
  expect(summaryOf({ services: [], outcome, id: undefined, deployment: undefined, stages: [] })).toBe(
    "<h3>not authorized</h3>\n<p><code>no</code></p>\n\n",
  );
});
