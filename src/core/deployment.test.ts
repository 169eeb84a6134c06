import { expect, test } from "bun:test";

import { diagnosisOf, outcomeOf, requestFor } from "../../test/fakes/deployment.ts";
import {
  accept,
  begin,
  type Deployment,
  type DeploymentStatus,
  end,
  type EndStatus,
  hasEnded,
  nameOf,
  type Outcome,
  servicesOf,
  supersede,
} from "./deployment.ts";

const ALL = [
  "queued",
  "running",
  "succeeded",
  "failed",
  "rolled_back",
  "rollback_failed",
  "superseded",
] as const;
const LEGAL: Record<DeploymentStatus, readonly EndStatus[]> = {
  queued: ["failed", "superseded"],
  running: ["succeeded", "failed", "rolled_back", "rollback_failed"],
  succeeded: [],
  failed: [],
  rolled_back: [],
  rollback_failed: [],
  superseded: [],
};

const queued = accept(
  "d1",
  requestFor(["web", "worker"], { image: "web:v2", force: true }),
  "github-actions",
  1,
);
const inStatus = (status: DeploymentStatus): Deployment => ({ ...queued, status });
const outcome = (status: EndStatus): Outcome =>
  outcomeOf(status, {
    digests: new Map([["web", "sha256:1"]]),
    diagnoses: [diagnosisOf()],
    reason: "why",
    code: "rollout",
  });

test("an accepted deployment waits, with nothing decided", () => {
  expect(queued).toEqual({
    id: "d1",
    kind: "deploy",
    parts: [
      { service: "web", image: "web:v2", digest: undefined },
      { service: "worker", image: "web:v2", digest: undefined },
    ],
    to: undefined,
    force: true,
    issuer: "github-actions",
    status: "queued",
    reason: "",
    code: undefined,
    changed: undefined,
    diagnoses: [],
    supersededBy: undefined,
    attempts: 0,
    createdAt: 1,
    startedAt: undefined,
    endedAt: undefined,
  });
});

test("it begins, and ends with its outcome and both times", () => {
  const began = begin(queued, 2);
  expect(began).toEqual({ ...queued, status: "running", startedAt: 2, attempts: 1 });
  expect(end(began, outcome("rolled_back"), 3)).toEqual({
    ...began,
    status: "rolled_back",
    parts: [
      { service: "web", image: "web:v2", digest: "sha256:1" },
      { service: "worker", image: "web:v2", digest: undefined },
    ],
    diagnoses: [diagnosisOf()],
    reason: "why",
    code: "rollout",
    changed: false,
    endedAt: 3,
  });
  expect(queued.status).toBe("queued");
});

test("one that was begun before a kill begins again, and says when it did first", () => {
  const again = begin(begin(queued, 2), 7);
  expect(again).toMatchObject({ status: "running", startedAt: 2, attempts: 2 });
});

test("it knows what its services were pinned to before it did anything, also when it begins again", () => {
  const began = begin(queued, 2, new Map([["web", "sha256:0"]]));
  expect(began.parts.map(({ from }) => from)).toEqual(["sha256:0", undefined]);
  const pinnedByIt = new Map([
    ["web", "sha256:1"],
    ["worker", "sha256:1"],
  ]);
  expect(begin(began, 7, pinnedByIt).parts).toEqual(began.parts);
  expect(end(began, outcome("succeeded"), 9).parts[0]).toMatchObject({
    from: "sha256:0",
    digest: "sha256:1",
  });
});

test("a digest that was known stays when the end brings none", () => {
  const known = { ...begin(queued, 2), parts: [{ service: "web", image: undefined, digest: "sha256:0" }] };
  expect(end(known, outcomeOf("failed"), 3).parts).toEqual(known.parts);
});

test("it is named after its services", () => {
  expect(servicesOf(queued)).toEqual(["web", "worker"]);
  expect(nameOf(queued)).toBe("web, worker");
});

for (const from of ALL) {
  for (const to of ["succeeded", "failed", "rolled_back", "rollback_failed", "superseded"] as const) {
    const isLegal = LEGAL[from].includes(to);
    test(`${from} ${isLegal ? "may" : "must not"} end as ${to}`, () => {
      const move = (): Deployment => end(inStatus(from), outcome(to), 9);
      if (isLegal) expect(move().status).toBe(to);
      else expect(move).toThrow(`deployment d1 cannot go from ${from} to ${to}`);
    });
  }
}

test.each(["succeeded", "failed", "rolled_back", "rollback_failed", "superseded"] as const)(
  "what is %s cannot begin",
  (from) => {
    expect(() => begin(inStatus(from), 9)).toThrow(
      expect.objectContaining({
        code: "internal",
        message: `deployment d1 cannot go from ${from} to running`,
      }),
    );
  },
);

test("queued and running ones have not ended, all others have", () => {
  expect(ALL.filter((status) => !hasEnded(inStatus(status)))).toEqual(["queued", "running"]);
});

test("a superseded one says by which, and changed nothing", () => {
  expect(supersede(queued, "d2", 5)).toEqual({
    ...queued,
    status: "superseded",
    supersededBy: "d2",
    reason: "superseded by d2",
    code: "superseded",
    changed: false,
    endedAt: 5,
  });
});

test.each(ALL.filter((status) => status !== "queued"))("what is %s cannot be superseded", (from) => {
  expect(() => supersede(inStatus(from), "d2", 5)).toThrow(`cannot go from ${from} to superseded`);
});
