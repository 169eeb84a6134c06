import type { Project, Service } from "../../src/core/compose.ts";
import type { EdgeSettings } from "../../src/core/edge-settings.ts";
import { nowhere } from "../../src/core/problem.ts";
import type { Settings } from "../../src/core/settings.ts";

/** A project with these services, and without an edge unless the fields say otherwise. */
export function project(services: readonly Service[], fields: Partial<Project> = {}): Project {
  return {
    name: "shop",
    services: new Map(services.map((service) => [service.name, service])),
    edge: undefined,
    whereIs: nowhere,
    ...fields,
  };
}

/** An edge that listens nowhere, unless the fields say otherwise. */
export function edge(fields: Partial<EdgeSettings> = {}): EdgeSettings {
  return {
    http: undefined,
    https: undefined,
    certs: undefined,
    challenges: undefined,
    image: undefined,
    webhook: undefined,
    ...fields,
  };
}

/** A service of the compose file: `web` with the image `web:v1`, one container, unless the fields say otherwise. */
export function service(name: string, fields: Partial<Service> = {}): Service {
  return {
    name,
    image: `${name}:v1`,
    builtImage: `shop-${name}`,
    configHash: `config of ${name}`,
    replicas: 1,
    containerName: undefined,
    settings: settings(),
    hostPorts: [],
    rollingObstacles: [],
    platform: undefined,
    dependsOn: [],
    sharesWith: [],
    startedByDefault: true,
    ...fields,
  };
}

/** What a service without `x-deployer` has, but for the watch: a test that wants one says so. */
export function settings(fields: Partial<Settings> = {}): Settings {
  return {
    strategy: "auto",
    port: undefined,
    health: undefined,
    timeoutMs: undefined,
    watchMs: 0,
    before: [],
    drainCommand: undefined,
    images: [],
    sharedVolumes: false,
    routes: [],
    drainMs: 30_000,
    holdMs: 30_000,
    holdMax: 2_000,
    resend: "idempotent",
    ...fields,
  };
}
