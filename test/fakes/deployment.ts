import type { Deployment, Part } from "../../src/core/deployment.ts";
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
