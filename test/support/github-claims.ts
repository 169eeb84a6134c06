/** Claims over others; `undefined` leaves one out. */
export type GithubClaims = Record<string, unknown>;

/** Which job a token is for, as far as its claims follow from it. */
export type GithubJob = {
  /** `owner/name`. */
  repository: string;
  repositoryId: string;
  ownerId: string;
  ref: string;
  event: string;
  /** Path of the workflow in its repository. */
  workflow: string;
  environment?: string;
};

/** A push to main of a repository that the tests' rules know. */
export const JOB: GithubJob = {
  repository: "acme/shop",
  repositoryId: "74612345",
  ownerId: "65123",
  ref: "refs/heads/main",
  event: "push",
  workflow: ".github/workflows/deploy.yml",
};

/**
 * - `names`: `repo:acme/shop:ref:refs/heads/main`
 * - `ids`: `repo:acme@65123/shop@74612345:ref:refs/heads/main`, of repositories made, renamed or moved since July 2026
 */
export type SubjectForm = "names" | "ids";

/**
 * The claims of the job itself, all of them texts, without those of the one token
 * (https://docs.github.com/en/actions/reference/security/oidc).
 */
export function claimsOf(job: GithubJob, form: SubjectForm = "names"): GithubClaims {
  const { repository, ref, event, environment } = job;
  const [owner = ""] = repository.split("/");
  const isPullRequest = event.startsWith("pull_request");
  const workflowRef = `${repository}/${job.workflow}@${ref}`;
  return {
    sub: subjectOf(job, form),
    ...(environment === undefined ? {} : { environment }),
    actor: "octocat",
    actor_id: "583231",
    base_ref: isPullRequest ? "main" : "",
    check_run_id: "46093812345",
    event_name: event,
    head_ref: isPullRequest ? "topic" : "",
    job_workflow_ref: workflowRef,
    job_workflow_sha: "0d8f7b0e7c3a41c7a7a2b9a4fbd7f4c0e1a2b3c4",
    ref,
    ref_protected: "true",
    ref_type: ref.startsWith("refs/tags/") ? "tag" : "branch",
    repository,
    repository_id: job.repositoryId,
    repository_owner: owner,
    repository_owner_id: job.ownerId,
    repository_visibility: "private",
    run_attempt: "1",
    run_id: "16412345678",
    run_number: "41",
    runner_environment: "github-hosted",
    sha: "0d8f7b0e7c3a41c7a7a2b9a4fbd7f4c0e1a2b3c4",
    workflow: "deploy",
    workflow_ref: workflowRef,
    workflow_sha: "0d8f7b0e7c3a41c7a7a2b9a4fbd7f4c0e1a2b3c4",
  };
}

/** The environment wins over everything else; colons in values are escaped. */
function subjectOf(job: GithubJob, form: SubjectForm): string {
  const [owner = "", name = ""] = job.repository.split("/");
  const repository =
    form === "names" ? job.repository : `${owner}@${job.ownerId}/${name}@${job.repositoryId}`;
  if (job.environment !== undefined)
    return `repo:${repository}:environment:${job.environment.replaceAll(":", "%3A")}`;
  if (job.event.startsWith("pull_request")) return `repo:${repository}:pull_request`;
  return `repo:${repository}:ref:${job.ref.replaceAll(":", "%3A")}`;
}
