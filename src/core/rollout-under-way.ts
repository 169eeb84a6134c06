import type { Deployment } from "./deployment.ts";
import type { Complaints } from "./gate.ts";
import type { Named, Source } from "./compose.ts";
import type { Ports } from "./ports.ts";

/** A rollout under way: what each of its steps needs. */
export type Rollout = {
  deployment: Deployment;
  project: Named;
  /** What its containers are created from. */
  source: Source;
  ports: Ports;
  /** When it aborts, the rollout goes back before its next step. */
  signal: AbortSignal;
  /** For the diagnosis of what fails. */
  complaints: Complaints;
};
