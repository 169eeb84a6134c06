/** Something about a whole rule, and the key to change: "" for the rule itself. */
export type RuleProblem = { key: string; message: string };

/** Events of a rule without `event_name`. */
export const DEFAULT_EVENTS = ["push", "workflow_dispatch", "release"] as const;
/** Which refs the tokens of an event are for; of other events any branch or tag. */
const REFS_OF: Readonly<Record<string, readonly string[]>> = {
  // Of one that is closed because it was merged: the branch.
  pull_request: ["refs/pull/", "refs/heads/"],
  push: ["refs/heads/", "refs/tags/"],
  release: ["refs/tags/"],
  schedule: ["refs/heads/"],
};
/** Of these the workflow that is started is the one on the branch or tag that they are for. */
const OF_ITS_REF: ReadonlySet<string> = new Set(["push", "workflow_dispatch", "release"]);
const BRANCHES_AND_TAGS = ["refs/heads/", "refs/tags/"];
/** Others are refused for their form. */
const ALL_REFS = [...BRANCHES_AND_TAGS, "refs/pull/"];

type OneOrMore = string | readonly string[] | undefined;
type Occurrence = {
  repository?: string | undefined;
  ref?: OneOrMore;
  event_name?: OneOrMore;
  environment?: OneOrMore;
  workflow_ref?: OneOrMore;
};

/** What of a rule no token of GitHub's can ever have, or what it leaves open that nobody means. */
export function occurrenceProblems(rule: Occurrence): RuleProblem[] {
  return [
    ...openProblems(rule),
    ...followingProblems(rule),
    ...eventProblems(rule),
    ...workflowProblems(rule),
    ...workflowRefProblems(rule),
  ];
}

function openProblems({ ref, environment }: Occurrence): RuleProblem[] {
  if (ref !== undefined || environment !== undefined) return [];
  const message =
    "would let every branch of the repository in: name a ref, or an environment whose branches are restricted";
  return [{ key: "", message }];
}

/** A run of `workflow_run` is of the main branch, and has its secrets, whatever run it follows. */
function followingProblems({ event_name, environment }: Occurrence): RuleProblem[] {
  if (environment !== undefined || !listOf(event_name ?? []).includes("workflow_run")) return [];
  const message =
    "workflow_run comes after any run of another workflow, one of a fork's pull request too: name an environment with reviewers beside it";
  return [{ key: "event_name", message }];
}

function eventProblems({ ref, event_name }: Occurrence): RuleProblem[] {
  if (ref === undefined) return [];
  const refs = listOf(ref).filter((one) => ALL_REFS.some((prefix) => one.startsWith(prefix)));
  if (refs.length === 0) return [];
  const events = listOf(event_name ?? DEFAULT_EVENTS);
  const strangeRefs = refs.filter((one) => !events.some((event) => mayCome(event, one)));
  const strangeEvents = listOf(event_name ?? []).filter((event) => !refs.some((one) => mayCome(event, one)));
  return [
    ...strangeRefs.map((one) => ({
      key: "ref",
      message: `${JSON.stringify(one)} never comes with the events ${events.join(", ")}: name another under event_name`,
    })),
    ...strangeEvents.map((event) => ({
      key: "event_name",
      message: `${event} never comes with the refs ${refs.join(", ")}: leave it out, or name another ref`,
    })),
  ];
}

/** The workflow that was started is always one of the repository itself. */
function workflowProblems({ repository, workflow_ref }: Occurrence): RuleProblem[] {
  const workflows = listOf(workflow_ref ?? []);
  const strange = workflows.filter((one) => repository !== undefined && !one.startsWith(`${repository}/`));
  return strange.map((one) => ({
    key: "workflow_ref",
    message: `${JSON.stringify(one)} is not of ${repository}: a workflow of another repository goes under job_workflow_ref`,
  }));
}

function workflowRefProblems({ ref, event_name, workflow_ref }: Occurrence): RuleProblem[] {
  if (ref === undefined || !listOf(event_name ?? DEFAULT_EVENTS).every((event) => OF_ITS_REF.has(event)))
    return [];
  const refs = listOf(ref);
  const strange = listOf(workflow_ref ?? []).filter((one) => {
    const [, own = ""] = /@(refs\/.+)$/.exec(one) ?? [];
    return own !== "" && refs.every((other) => own !== other && !`${own}${other}`.includes("*"));
  });
  return strange.map((one) => ({
    key: "workflow_ref",
    message: `${JSON.stringify(one)} never comes with the ref ${refs.join(", ")}: the workflow that was started is of that branch or tag itself`,
  }));
}

function mayCome(event: string, ref: string): boolean {
  return (REFS_OF[event] ?? BRANCHES_AND_TAGS).some((prefix) => ref.startsWith(prefix));
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
