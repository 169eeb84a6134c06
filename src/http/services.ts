import { mayReadService } from "../core/permissions.ts";
import type { ServiceState } from "../core/services.ts";
import type { VersionState } from "../core/version-states.ts";
import { authenticate } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { replyJson } from "./reply.ts";

/** `GET /services`: `{"services":[…]}`, what the compose file and the pins want and what Docker runs, of those that the caller may read. */
export async function getServices(c: HttpContext, daemon: Daemon): Promise<Response> {
  const { may } = await authenticate(c, daemon);
  const readable = (await daemon.services()).filter(({ name }) => mayReadService(may, name));
  return replyJson(c, 200, { services: readable.map(serviceJson) });
}

function serviceJson(service: ServiceState): Record<string, unknown> {
  const { running } = service;
  return {
    service: service.name,
    state: service.state,
    health: service.health ?? null,
    replicas: service.replicas,
    wanted: { image: service.wanted.image, digest: service.wanted.digest ?? null },
    running:
      running === undefined
        ? null
        : { image: running.image, digest: running.digest ?? null, image_id: running.imageId },
    since: service.since ?? null,
    exit_code: service.exitCode ?? null,
    deployment: service.deployment ?? null,
    drift: service.drift,
    versions: service.versions.map(versionJson),
    edge: service.edge === undefined ? null : edgeJson(service.edge),
  };
}

function edgeJson({ routes, servers }: NonNullable<ServiceState["edge"]>): Record<string, unknown> {
  return {
    routes: routes.map(({ host, path }) => ({ host: host ?? null, path })),
    servers: servers.map(({ container, address, port, state, sessions }) => ({
      container,
      address: `${address}:${port}`,
      state,
      sessions,
    })),
  };
}

function versionJson(version: VersionState): Record<string, unknown> {
  return {
    deployment: version.deployment,
    image: version.imageText,
    digest: version.digest,
    committed_at: new Date(version.committedAt).toISOString(),
    image_state: version.image,
    current: version.isCurrent,
  };
}
