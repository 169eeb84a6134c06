import { z } from "zod";

import { DeployerError } from "./errors.ts";

const MAX_WORKFLOW_LENGTH = 512;

/** A run of the caller's CI. Runs of one workflow are ordered by number, then attempt; of two workflows not at all. */
export type Run = {
  /** `<repository id>/<workflow path>`: compared as it is, never taken apart. */
  workflow: string;
  number: number;
  attempt: number;
};

/** The newest run of a workflow that was accepted for a service, and the deployment it was accepted as. */
export type Guard = { run: Run; deployment: string };

/** `run` of a payload; strict, because a misspelt key would switch the guard off in silence. */
const RunJson = z.strictObject(
  {
    workflow: z
      .string("workflow must be a string")
      .min(1, "workflow must not be empty")
      .max(MAX_WORKFLOW_LENGTH, `workflow must be at most ${MAX_WORKFLOW_LENGTH} characters`),
    number: positive("number"),
    attempt: positive("attempt").default(1),
  },
  {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`
        : 'must be {"workflow": text, "number": 41, "attempt": 1}',
  },
);

/** Errors: `invalid`, beginning with `run: `. */
export function parseRun(value: unknown): Run {
  const run = RunJson.safeParse(value);
  if (run.success) return run.data;
  throw new DeployerError("invalid", `run: ${run.error.issues[0]?.message ?? "not understood"}`);
}

/**
 * The order guard. A run is measured against the newest run of its workflow that was accepted for the service, however
 * that one's deployment went on: what counts is what the caller wanted last.
 * - newer, or the first of its workflow: accepted, and the guard moves to it
 * - equal, the same run sent again: accepted, and the guard names its deployment from then on
 * - older: refused with `superseded by <deployment of the newer run>` and, on the next line, both runs and the ways
 *   around it. The same two lines while the newer deployment waits or runs, and after it has ended: whoever reads the
 *   first line finds what took its place, whoever reads on learns what to do.
 * - older with `force`: accepted, and the guard stays where it is, so that the next run of CI is measured as before
 *
 * The caller moves the guard in the transaction that writes the deployment down.
 * Errors: `superseded`.
 * @returns whether the guard moves to `run`
 */
export function assertInOrder(run: Run, newest: Guard | undefined, { force }: { force: boolean }): boolean {
  if (newest === undefined || compareRuns(run, newest.run) >= 0) return true;
  if (force) return false;
  throw new DeployerError(
    "superseded",
    `superseded by ${newest.deployment}\n${describe(run, newest.run)}; use rollback or "force": true`,
  );
}

/** Above 0 when `a` is newer than `b`; of one workflow. */
export function compareRuns(a: Run, b: Run): number {
  return a.number - b.number || a.attempt - b.attempt;
}

function describe(older: Run, newer: Run): string {
  return older.number === newer.number
    ? `attempt ${older.attempt} of run ${older.number} is older than attempt ${newer.attempt}`
    : `run ${older.number} is older than ${newer.number}`;
}

function positive(name: string): z.ZodInt {
  const message = `${name} must be a positive integer`;
  return z.int(message).positive(message);
}
