import type { Commit, Plan, Progress, Version } from "../../src/core/store.ts";

/** What a deployment commits for a service: `web:v1` of the configuration `abc`, unless the fields say otherwise. */
export function commitOf(
  deployment: string,
  { containers = [], ...fields }: Partial<Version> & { containers?: string[] } = {},
): Commit {
  const version = versionOf(deployment, fields);
  const { service, imageText, fileImage, digest, recorded, configHash } = version;
  return {
    version,
    pin: { service, imageText, fileImage, digest, recorded, deployment },
    origins: containers.map((container) => ({ container, service, configHash, recorded })),
  };
}

export function versionOf(deployment: string, fields: Partial<Version> = {}): Version {
  const service = fields.service ?? "web";
  return {
    service,
    deployment,
    imageText: `${service}:v1@sha256:1`,
    fileImage: `${service}:v1`,
    digest: "sha256:1",
    imageId: "id of sha256:1",
    recorded: "abc",
    configHash: "hash",
    number: 1,
    committedAt: 7,
    ...fields,
  };
}

/** What one service is to become: `web:v1` beside nothing, unless the fields say otherwise. */
export function planOf(fields: Partial<Plan> = {}): Plan {
  const service = fields.service ?? "web";
  const { deployment: _deployment, committedAt: _committedAt, ...version } = versionOf("", { service });
  return {
    service,
    strategy: "recreate",
    inPlace: false,
    bringsEdge: false,
    version,
    replicas: 1,
    candidates: [],
    before: { running: [], all: [], imageId: "", recorded: "" },
    ...fields,
  };
}

/** How far a deployment has come: nothing touched, nothing planned, unless the fields say otherwise. */
export function progress(fields: Partial<Progress> = {}): Progress {
  return {
    stage: "preparing",
    resolved: [],
    doneBefore: [],
    diagnoses: [],
    plans: [],
    failure: undefined,
    lost: { edge: undefined, services: [] },
    ...fields,
  };
}
