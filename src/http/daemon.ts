import type { Caller } from "../core/caller.ts";
import type { Deployment } from "../core/deployment.ts";
import type { Log } from "../core/ports.ts";
import type { DeploymentQuery, DeploymentSummary } from "../core/history.ts";
import type { RepeatKey } from "../core/repeat-key.ts";
import type { DeployRequest } from "../core/request.ts";
import type { Secret } from "../core/secret.ts";
import type { ServiceState } from "../core/services.ts";
import type { Source } from "./follow.ts";
import type { Readiness } from "./readiness.ts";
import type { Refusals } from "./refusals.ts";

/** Everything the HTTP side knows of the rest of the program. */
export type Daemon = Source & {
  /** `v1.2.3` */
  version: string;
  debugMode: boolean;
  /** The reply of `GET /config`, in the order of its keys. */
  configView: Readonly<Record<string, string | boolean>>;
  /** Throws `unauthorized`, or `forbidden` where nothing is allowed, with the cause, which goes to the log only. */
  verify(token: string): Promise<Caller>;
  /** What a token that is bound to this request carries. */
  requestHash(method: string, target: string, body: Uint8Array): string;
  /** What a token shows, good or not. */
  shownClaims(token: string): Readonly<Record<string, unknown>> | undefined;
  refusals: Refusals;
  readiness(): Promise<Readiness>;
  /** The deployment is durable when it resolves, and runs to its end whatever the caller does. A repeated request is the deployment it was before. */
  submit(request: DeployRequest, issuer: string, keys: readonly RepeatKey[]): Promise<Deployment>;
  /** Newest first. */
  list(query: DeploymentQuery): DeploymentSummary[];
  /** A new key that reads this one deployment and its events for a day, with or without what containers printed; undefined: there are too many. */
  grantRead(id: string, shows: { output: boolean }): Secret | undefined;
  /** What a bearer token shows that is such a key. */
  readKey(token: string, id: string): { output: boolean } | undefined;
  services(): Promise<ServiceState[]>;
  /** Resolves when the deployment has ended, rejects with the signal's reason when that comes first, with `shutting_down` when it waits for the next start. */
  ended(id: string, signal: AbortSignal): Promise<Deployment>;
  /** Drops the registry credential. */
  logout(): void;
  log: Log;
  newRequestId(): string;
};
