import {
  accept,
  type Deployment,
  type DeploymentRequest,
  type Diagnosis,
  type EndStatus,
  type Outcome,
  type Part,
} from "../../src/core/deployment.ts";
import { START } from "./clock.ts";

/** A deployment that has begun: of one service or several, which bring their images with `parts`, or all run `image`. */
export function running(
  services: string | readonly string[],
  { image, ...fields }: Partial<Deployment> & { image?: string } = {},
): Deployment {
  const names = typeof services === "string" ? [services] : services;
  const parts: Part[] = names.map((service) => ({ service, image, digest: undefined }));
  return {
    id: "d1",
    kind: "deploy",
    parts,
    to: undefined,
    force: false,
    issuer: "github-actions",
    status: "running",
    reason: "",
    code: undefined,
    changed: undefined,
    diagnoses: [],
    supersededBy: undefined,
    attempts: 1,
    createdAt: START,
    startedAt: START,
    endedAt: undefined,
    ...fields,
  };
}

/** What a caller wants: the image of the compose file for one service or several, unless the fields say otherwise. */
export function requestFor(
  services: string | readonly string[],
  { image, ...fields }: Partial<DeploymentRequest> & { image?: string } = {},
): DeploymentRequest {
  const names = typeof services === "string" ? [services] : services;
  return {
    kind: "deploy",
    parts: names.map((service) => ({ service, image })),
    to: undefined,
    force: false,
    ...fields,
  };
}

/** A deployment that waits for its turn, of `web` unless others are named. */
export function queued(id: string, at = 1, services: string | readonly string[] = "web"): Deployment {
  return accept(id, requestFor(services), "me", at);
}

/** How a deployment ended: with new containers or not, and nothing to say about it, unless the fields say otherwise. */
export function outcomeOf(status: EndStatus, fields: Partial<Outcome> = {}): Outcome {
  const changed = status === "succeeded";
  return { status, digests: new Map(), diagnoses: [], reason: "", code: undefined, changed, ...fields };
}

/** What a container that ran out of memory left behind. */
export function diagnosisOf(fields: Partial<Diagnosis> = {}): Diagnosis {
  return {
    service: "web",
    container: "0123456789ab",
    exitCode: 137,
    signal: "SIGKILL",
    oomKilled: true,
    restarts: 2,
    health: "HTTP 503",
    output: ["one", "two"],
    ...fields,
  };
}
