import type { Caller, Grant, Permissions, Scope } from "./caller.ts";
import { type DeploymentRequest, servicesOf } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { parseImage, repositoryOf } from "./image.ts";
import type { Run } from "./order.ts";

/**
 * Whether a caller may ask for this, before anything is looked up: who may not touch a service does not learn whether it
 * exists. Errors: `forbidden`, with the cause for the log.
 */
export function assertMayAsk(
  may: Permissions,
  { kind, parts }: Pick<DeploymentRequest, "kind" | "parts">,
): void {
  for (const { service, image } of parts) {
    if (kind === "rollback") assertMayRollBack(may, service);
    else assertMayDeploy(may, service, image);
  }
}

/**
 * Whether a run that a request names may be the caller's: with another repository's it could move an order guard so far
 * that its CI is refused from then on. Errors: `forbidden`.
 */
export function assertIsOwnRun(run: Run | undefined, { repository }: Pick<Caller, "repository">): void {
  if (run === undefined || repository === undefined || run.workflow.startsWith(`${repository}/`)) return;
  throw forbidden(`its run is of workflow ${JSON.stringify(run.workflow)}, not of repository ${repository}`);
}

/** Whether all services of a deployment may be read: it is one thing, and not shown by halves. */
export function mayRead(may: Permissions, deployment: Pick<DeploymentRequest, "parts">): boolean {
  return servicesOf(deployment).every((service) => mayReadService(may, service));
}

export function mayReadService(may: Permissions, service: string): boolean {
  return may.some(({ read }) => isIn(read, service));
}

/** The services that may be read. */
export function readableBy(may: Permissions): Scope {
  const names = new Set<string>();
  for (const { read } of may) {
    if (read === "all") return "all";
    for (const name of read) names.add(name);
  }
  return names;
}

/** Whether what the containers of all its services printed may be seen, by whoever may have anything to do with them. */
export function maySeeOutput(may: Permissions, deployment: Pick<DeploymentRequest, "parts">): boolean {
  return servicesOf(deployment).every((service) =>
    may.some((grant) => grant.logs && concerns(grant, service)),
  );
}

function assertMayDeploy(may: Permissions, service: string, image: string | undefined): void {
  const grants = may.filter(({ deploy }) => isIn(deploy, service));
  if (grants.length === 0) throw forbidden(`its rules do not let it deploy ${JSON.stringify(service)}`);
  const reference = image === undefined ? undefined : parseImage(image);
  // What is no image reference is refused later, with a word on why.
  if (reference === undefined) return;
  const repository = repositoryOf(reference);
  if (grants.some(({ images }) => isIn(images, repository))) return;
  throw forbidden(`its rules do not let it deploy an image of ${repository} as ${JSON.stringify(service)}`);
}

function assertMayRollBack(may: Permissions, service: string): void {
  if (may.some(({ rollback }) => isIn(rollback, service))) return;
  throw forbidden(`its rules do not let it roll back ${JSON.stringify(service)}`);
}

function concerns({ deploy, rollback, read }: Grant, service: string): boolean {
  return [deploy, rollback, read].some((scope) => isIn(scope, service));
}

function isIn(scope: Scope, name: string): boolean {
  return scope === "all" || scope.has(name);
}

function forbidden(message: string): DeployerError {
  return new DeployerError("forbidden", message);
}
