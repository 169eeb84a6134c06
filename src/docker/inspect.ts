import { z } from "zod";
import { DeployerError } from "../core/errors.ts";
import { parseAnswer } from "./answer.ts";
import type { Transport } from "./transport.ts";

const INSPECT_DEADLINE_MS = 10_000;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

const endpoint = z.object({
  /** Empty in Docker 20.10 until the container has been started. */
  NetworkID: z.string().default(""),
  Aliases: z.array(z.string()).nullish(),
  IPAddress: z.string().default(""),
  GlobalIPv6Address: z.string().default(""),
  IPAMConfig: z.record(z.string(), z.unknown()).nullish(),
  Links: z.array(z.string()).nullish(),
  DriverOpts: z.record(z.string(), z.string()).nullish(),
});

const inspection = z.object({
  Id: z.string().min(1),
  Name: z.string(),
  Image: z.string(),
  RestartCount: z.number().default(0),
  State: z.object({
    Status: z.string(),
    Running: z.boolean().default(false),
    ExitCode: z.number(),
    OOMKilled: z.boolean().default(false),
    StartedAt: z.string().default(""),
    FinishedAt: z.string().default(""),
    Health: z
      .object({
        Status: z.string(),
        /** Oldest first. */
        Log: z.array(z.object({ Output: z.string().default("") })).nullish(),
      })
      .nullish(),
  }),
  HostConfig: z.object({
    RestartPolicy: z.object({ Name: z.string() }).optional(),
    NetworkMode: z.string().default(""),
  }),
  Config: z.object({
    Image: z.string().default(""),
    Labels: z.record(z.string(), z.string()).nullish(),
    ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    Tty: z.boolean().default(false),
    Shell: z.array(z.string()).nullish(),
    /** Durations in nanoseconds, 0 for Docker's defaults. */
    Healthcheck: z
      .object({
        Test: z.array(z.string()).nullish(),
        Interval: z.number().default(0),
        Timeout: z.number().default(0),
        StartPeriod: z.number().default(0),
        Retries: z.number().default(0),
      })
      .nullish(),
    /** `SIGQUIT`, `QUIT` or `3`; absent means SIGTERM. */
    StopSignal: z.string().nullish(),
    /** Seconds; absent means Docker's own ten. */
    StopTimeout: z.number().nullish(),
  }),
  Mounts: z.array(z.object({ Type: z.string().default(""), Name: z.string().default("") })).nullish(),
  NetworkSettings: z.object({ Networks: z.record(z.string(), endpoint).nullish() }).nullish(),
});

/** The parts of `GET /containers/{id}/json` that this program reads. */
export type Inspection = z.infer<typeof inspection>;

/** Undefined when the container is gone. */
export async function inspect(transport: Transport, id: string): Promise<Inspection | undefined> {
  const path = `${containerPath(id)}/json`;
  const answer = await transport.send({ method: "GET", path, deadlineMs: INSPECT_DEADLINE_MS });
  return answer.status === 404 ? undefined : parseAnswer(answer, inspection, `inspect container ${id}`);
}

/** `/containers/{id}`; an id is never allowed to be more than one path segment. */
export function containerPath(id: string): string {
  if (!ID.test(id)) throw new DeployerError("internal", `${JSON.stringify(id)} is not a container id`);
  return `/containers/${id}`;
}
