import { z } from "zod";

import { STATUSES } from "../core/deployment.ts";

/** What the daemon answers to its clients, as far as they look at it; what it says beside that is passed on by `--json`. */

const Time = z.iso.datetime({ offset: true });

export const DeploymentAnswer = z.looseObject({
  id: z.string(),
  kind: z.enum(["deploy", "rollback"]),
  to: z.string().nullable(),
  services: z.array(
    z.looseObject({ service: z.string(), image: z.string().nullable(), digest: z.string().nullable() }),
  ),
  status: z.enum(STATUSES),
  reason: z.string(),
  changed: z.boolean().nullable(),
  created_at: Time,
  started_at: Time.nullable(),
  ended_at: Time.nullable(),
});
export type DeploymentAnswer = z.infer<typeof DeploymentAnswer>;

export const PageAnswer = z.object({
  deployments: z.array(DeploymentAnswer),
  next: z.string().nullable(),
});

export const EventAnswer = z.looseObject({
  seq: z.int(),
  at: Time,
  phase: z.string(),
  level: z.enum(["info", "warn", "error"]),
  text: z.string(),
});
export type EventAnswer = z.infer<typeof EventAnswer>;

/** How far the pull of an image has come: told live, kept nowhere. */
export const ProgressAnswer = z.looseObject({
  image: z.string(),
  downloaded_bytes: z.number(),
  /** Of what is known so far; 0 at the beginning. */
  total_bytes: z.number(),
  layers: z.int(),
  layers_done: z.int(),
});
export type ProgressAnswer = z.infer<typeof ProgressAnswer>;

export const EventsAnswer = z.object({ events: z.array(EventAnswer) });

const Version = z.looseObject({
  deployment: z.string(),
  image: z.string(),
  digest: z.string(),
  committed_at: Time,
  image_state: z.enum(["present", "missing"]),
  current: z.boolean(),
});

export const ServiceAnswer = z.looseObject({
  service: z.string(),
  state: z.enum(["running", "stopped", "none"]),
  health: z.string().nullable(),
  replicas: z.object({ wanted: z.int(), running: z.int() }),
  wanted: z.object({ image: z.string(), digest: z.string().nullable() }),
  running: z.object({ image: z.string(), digest: z.string().nullable(), image_id: z.string() }).nullable(),
  since: Time.nullable(),
  exit_code: z.int().nullable(),
  deployment: z.string().nullable(),
  drift: z.array(z.object({ kind: z.string(), text: z.string() })),
  versions: z.array(Version),
  edge: z
    .object({
      routes: z.array(z.object({ host: z.string().nullable(), path: z.string() })),
      servers: z.array(
        z.looseObject({
          container: z.string(),
          address: z.string(),
          state: z.enum(["serving", "standby", "draining", "down"]),
          sessions: z.int(),
        }),
      ),
    })
    .nullable(),
});
export type ServiceAnswer = z.infer<typeof ServiceAnswer>;

export const ServicesAnswer = z.object({ services: z.array(ServiceAnswer) });

export const GuardAnswer = z.looseObject({
  service: z.string(),
  workflow: z.string(),
  number: z.int(),
  attempt: z.int(),
  deployment: z.string(),
});
export type GuardAnswer = z.infer<typeof GuardAnswer>;

export const GuardsAnswer = z.object({ guards: z.array(GuardAnswer) });

export const ForgottenAnswer = z.object({ service: z.string(), forgotten: z.int() });
export type ForgottenAnswer = z.infer<typeof ForgottenAnswer>;

export const RestartAnswer = z.object({
  service: z.string(),
  containers: z.array(z.string()),
  problems: z.array(z.string()),
});
export type RestartAnswer = z.infer<typeof RestartAnswer>;

export const UpAnswer = z.object({
  services: z.array(
    z.object({
      service: z.string(),
      did: z.enum(["brought_up", "deploying", "left_alone", "failed"]),
      text: z.string(),
      deployment: DeploymentAnswer.nullable(),
    }),
  ),
});
export type UpAnswer = z.infer<typeof UpAnswer>;

export const RejectedAnswer = z.object({
  rejected: z.array(
    z.looseObject({
      at: Time,
      remote: z.string(),
      method: z.string(),
      path: z.string(),
      code: z.string(),
      cause: z.string(),
      verified: z.boolean(),
      claims: z.record(z.string(), z.unknown()).nullable(),
      unlisted: z.int(),
    }),
  ),
});
export type RejectedAnswer = z.infer<typeof RejectedAnswer>;

export const ChecksAnswer = z.object({
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

export const ComposeAnswer = z.object({
  compose_file: z.string(),
  pins_file: z.string().nullable(),
  folder: z.string(),
  pid: z.int().positive(),
});
export type ComposeAnswer = z.infer<typeof ComposeAnswer>;

export const ErrorAnswer = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
