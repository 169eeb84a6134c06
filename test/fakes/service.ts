import type { Service } from "../../src/core/compose.ts";
import type { Settings } from "../../src/core/settings.ts";

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
    ...fields,
  };
}
