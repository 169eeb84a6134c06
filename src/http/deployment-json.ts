import type { Deployment, DeploymentTraffic, Diagnosis } from "../core/deployment.ts";
import type { DeploymentSummary } from "../core/history.ts";
import { WITHHELD } from "./output.ts";

/**
 * A deployment as callers see it, with what its failed containers left behind; times are RFC 3339 in UTC, what is not known
 * yet is null. Who may not see what containers printed gets `withheld` in its place, which says so.
 */
export function deploymentJson(deployment: Deployment, seesOutput: boolean): Record<string, unknown> {
  const diagnosis = deployment.diagnoses.map((each) => diagnosisJson(each, seesOutput));
  return { ...summaryJson(deployment), diagnosis };
}

/** As lists have it. `service`, `image` and `digest` are those of its one service, and null when it has several. */
export function summaryJson(deployment: DeploymentSummary): Record<string, unknown> {
  const services = deployment.parts.map(({ service, image, digest, from, traffic }) => ({
    service,
    image: image ?? null,
    digest: digest ?? null,
    from: from ?? null,
    ...(traffic === undefined ? {} : { traffic: trafficJson(traffic) }),
  }));
  const only = services.length === 1 ? services[0] : undefined;
  return {
    id: deployment.id,
    kind: deployment.kind,
    service: only?.service ?? null,
    image: only?.image ?? null,
    digest: only?.digest ?? null,
    services,
    to: deployment.to ?? null,
    status: deployment.status,
    superseded_by: deployment.supersededBy ?? null,
    reason: deployment.reason,
    changed: deployment.changed ?? null,
    attempts: deployment.attempts,
    created_at: time(deployment.createdAt),
    started_at: time(deployment.startedAt),
    ended_at: time(deployment.endedAt),
  };
}

function diagnosisJson(diagnosis: Diagnosis, seesOutput: boolean): Record<string, unknown> {
  return {
    service: diagnosis.service,
    container: diagnosis.container,
    exit_code: diagnosis.exitCode ?? null,
    signal: diagnosis.signal ?? null,
    oom_killed: diagnosis.oomKilled,
    restarts: diagnosis.restarts,
    ...(seesOutput
      ? { health: diagnosis.health ?? null, output: diagnosis.output }
      : { health: null, output: [], withheld: WITHHELD }),
  };
}

function trafficJson({ latency, sinceRestart, ...counts }: DeploymentTraffic): Record<string, unknown> {
  const { p50, p90, p99, max } = latency ?? { p50: null, p90: null, p99: null, max: null };
  return {
    ...counts,
    latency_ms: { p50, p90, p99, max },
    ...(sinceRestart === true ? { since_restart: true } : {}),
  };
}

function time(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : new Date(milliseconds).toISOString();
}
