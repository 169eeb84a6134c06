import { expect, test } from "bun:test";

import type { DeploymentAnswer } from "../src/client/answers.ts";
import { ClientError } from "../src/client/client-error.ts";
import { outcomeOf, outcomeOfError, outcomeOfPatience } from "./outcome.ts";

function deployment(status: DeploymentAnswer["status"], changed = true): DeploymentAnswer {
  return {
    id: "d1",
    kind: "deploy",
    to: null,
    services: [],
    status,
    reason: "why",
    changed,
    created_at: "2026-11-23T12:00:00.000Z",
    started_at: null,
    ended_at: null,
  };
}

test.each([
  ["succeeded", 0, undefined],
  ["failed", 1, "error"],
  ["rolled_back", 3, "error"],
  ["superseded", 0, "warning"],
  ["rollback_failed", 5, "error"],
  ["running", 7, "error"],
] as const)("a deployment that is %s ends the step with %d", (status, exitCode, level) => {
  const { title, ...outcome } = outcomeOf(deployment(status));
  expect(title).not.toContain("_");
  expect(outcome).toEqual({ exitCode, level, reason: "why" });
});

test("nothing to do is told as such", () => {
  expect(outcomeOf(deployment("succeeded", false)).title).toBe("succeeded, nothing had changed");
});

test.each([
  ["superseded", 4],
  ["unauthorized", 6],
  ["forbidden", 6],
  ["unreachable", 7],
  ["not_found", 1],
])("a request that is refused as %s ends the step with %d", (code, exitCode) => {
  expect(outcomeOfError(new ClientError(code, "in its words"))).toMatchObject({
    exitCode,
    level: "error",
    reason: "in its words",
  });
});

test("who waits no longer learns whether something was begun", () => {
  expect(outcomeOfPatience("d1", "enough").reason).toMatch(/^enough; deployment d1 goes on .*logs d1 -f/);
  expect(outcomeOfPatience(undefined, "enough").reason).toMatch(/^enough; whether .* is not known/);
});
