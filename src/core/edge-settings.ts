import type { Route } from "./settings.ts";

/** What the compose file says under `x-deployer.edge` at its top: the proxy in front of the services that have routes. */
export type EdgeSettings = {
  /** Port of the host for plain HTTP; of this and `https`, at least one. */
  http: number | undefined;
  /** Port of the host for HTTPS. */
  https: number | undefined;
  /** Absolute path of the folder with the certificates; there with `https`, and only then. */
  certs: string | undefined;
  /** Absolute path of the folder that is served at `/.well-known/acme-challenge/`. */
  challenges: string | undefined;
  /** Another HAProxy image than ours. */
  image: string | undefined;
  /** Where requests come from that are for the daemon itself. */
  webhook: Route | undefined;
};
