import { z } from "zod";

import { parseImage } from "../core/image.ts";
import { DEFAULT_EVENTS, occurrenceProblems, type RuleProblem } from "./occurrence.ts";

/** The form of the rules file; `rules.schema.json` is made from it. */

/** Events that a deployment may come of: not those that run with the rights of a branch for whoever comes by, as `pull_request_target`. */
const EVENTS = [
  ...DEFAULT_EVENTS,
  "create",
  "deployment",
  "deployment_status",
  "merge_group",
  "pull_request",
  "registry_package",
  "repository_dispatch",
  "schedule",
  "workflow_run",
] as const;
const RUNNERS = ["github-hosted", "self-hosted"] as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const ID = /^[1-9][0-9]{0,19}$/;
const REPOSITORY = /^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+$/;
/** What git allows in the name of a branch or a tag (git-check-ref-format), and the `*` of a pattern. */
const REF_NAME = String.raw`refs\/(?:heads|tags|pull)\/(?!\.)(?!.*(?:\*\*|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)))[^\s~^:?[\]\\]*[^\s~^:?[\]\\/.]`;
const REF = new RegExp(`^${REF_NAME}$`);
const WORKFLOW = new RegExp(
  String.raw`^[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+\/\.github\/workflows\/(?!.*\*\*)[^\s/@:]+@(?:${REF_NAME}|[0-9a-f]{40})$`,
);
const SHA = /^[0-9a-f]{40}$/;
/** Control sockets have no token, and their callers this name. */
const TAKEN_NAME = "host";

const text = () =>
  z.string({
    error: ({ input }) =>
      typeof input === "number" || typeof input === "boolean"
        ? `must be a text: write it in quotes, "${input}"`
        : input === undefined
          ? "is missing"
          : "must be a text",
  });

const oneOrMore = <T extends z.ZodType>(one: T) => z.union([one, z.array(one).min(1, "must not be empty")]);

const id = text().regex(ID, "must be the number that GitHub gave it, in quotes");
const ref = text().regex(
  REF,
  'must be a whole ref, such as "refs/heads/main"; a "*" stands for any characters but "/", ":" and "@", and "**" for nothing',
);
const workflow = text().regex(
  WORKFLOW,
  'must be "<owner>/<repository>/.github/workflows/<file>@<whole ref>"; a "*" stands for any characters but "/", ":" and "@"',
);
const sha = text().regex(SHA, "must be a commit, 40 hexadecimal digits");
const environment = text()
  .min(1, "must not be empty")
  .max(255)
  .refine((name) => !name.includes("*"), 'is taken to the letter: a "*" in it stands for nothing')
  .refine(
    (name) => !/^(?:refs\/|environment:|repo:)/.test(name),
    "must be the name of an environment alone; a branch goes under ref",
  );
const image = text().refine((name) => {
  const parsed = parseImage(name);
  return parsed !== undefined && parsed.tag === undefined && parsed.digest === undefined;
}, "must be a repository of images, without tag and digest");
const services = z.union([
  z.literal("all", { error: "must be a list of services, or all" }),
  z.array(text().regex(SERVICE, "must be the name of a service")).min(1, "must not be empty"),
]);

const grant = {
  deploy: services.optional().describe("Services it may deploy, or all."),
  rollback: services.optional().describe("Services it may roll back, or all."),
  read: services.optional().describe("Services whose deployments and state it may read, or all."),
  images: z
    .array(image, { error: "must be a list of repositories" })
    .min(1, "must not be empty")
    .optional()
    .describe("Repositories of images it may name. Left out: what the compose file allows for the service."),
  logs: z
    .boolean({ error: "must be true or false" })
    .optional()
    .describe("true: it sees what the containers of these services printed."),
};

export const KeyRule = z.strictObject(grant).superRefine((rule, context) => {
  complain(grantProblems(rule), context);
});

export const GithubRule = z
  .strictObject({
    repository: text()
      .regex(REPOSITORY, "must be owner/name")
      .optional()
      .describe("owner/name, for people: repository_id decides. A token with another name is warned of."),
    repository_id: id.describe("The repository: gh api repos/OWNER/NAME --jq .id"),
    repository_owner_id: id.describe("Its owner: gh api repos/OWNER/NAME --jq .owner.id"),
    ref: oneOrMore(ref)
      .optional()
      .describe("Branches or tags, refs/heads/main. A * stands for any characters but / : and @."),
    ref_protected: z
      .literal("true", { error: 'must be "true", in quotes' })
      .optional()
      .describe("Only protected branches and tags."),
    event_name: oneOrMore(z.enum(EVENTS, { error: `must be one of ${EVENTS.join(", ")}` }))
      .optional()
      .describe(`Events that started the workflow. Left out: ${DEFAULT_EVENTS.join(", ")}.`),
    environment: oneOrMore(environment)
      .optional()
      .describe("The environment of the job, with its reviewers and branch rules."),
    workflow_ref: oneOrMore(workflow).optional().describe("The workflow that was started."),
    workflow_sha: oneOrMore(sha).optional().describe("The commit of the workflow that was started."),
    job_workflow_ref: oneOrMore(workflow)
      .optional()
      .describe("The workflow that has the job: a reusable one, wherever it is."),
    job_workflow_sha: oneOrMore(sha).optional().describe("The commit of the workflow that has the job."),
    runner_environment: oneOrMore(z.enum(RUNNERS, { error: `must be ${RUNNERS.join(" or ")}` }))
      .optional()
      .describe("Left out: github-hosted."),
    ...grant,
  })
  .superRefine((rule, context) => {
    complain([...grantProblems(rule), ...occurrenceProblems(rule)], context);
  });
export type GithubRule = z.infer<typeof GithubRule>;

const name = text()
  .regex(NAME, "must be up to 64 letters, digits and . _ -")
  .refine((given) => given !== TAKEN_NAME, "is what callers of the control socket are called: choose another")
  .describe("What records and the log call it.");

export const OidcIssuerEntry = z.strictObject({
  name,
  issuer: text()
    .refine(isIssuer, "must be the https URL of the issuer as its tokens have it, without a slash at its end")
    .describe("iss of its tokens: https://token.actions.githubusercontent.com"),
  audience: text()
    .regex(
      /^[^\s#]{0,254}[^\s#/]$/,
      "must be a text without spaces, # and a slash at its end, such as the URL of this daemon",
    )
    .describe("What tokens must be for; one of each daemon: https://deploy.example.com"),
  bind: z
    .enum(["required", "optional"], { error: "must be required or optional" })
    .optional()
    .describe("required, which it is when left out: a token has to name the one request it is good for."),
  rules: z.array(GithubRule, { error: "must be a list of rules" }).min(1, "must have a rule"),
});

export const KeyIssuerEntry = z.strictObject({
  name,
  public_key: text()
    .startsWith("/", "must be an absolute path")
    .describe("A PEM file, or a directory of them, as JWT_PUBLIC_KEY_PATH."),
  rules: z.array(KeyRule, { error: "must be a list of rules" }).min(1, "must have a rule"),
});

export const RulesFile = z.strictObject({
  issuers: z.array(z.union([OidcIssuerEntry, KeyIssuerEntry]), { error: "must be a list of issuers" }).min(1),
});

function grantProblems(rule: Partial<Record<keyof typeof grant, unknown>>): RuleProblem[] {
  const gives = ["deploy", "rollback", "read"] as const;
  if (gives.every((key) => rule[key] === undefined))
    return [{ key: "", message: "lets nobody do anything: name services under deploy, rollback or read" }];
  if (rule.images !== undefined && rule.deploy === undefined)
    return [{ key: "images", message: "has no meaning without deploy" }];
  return [];
}

function complain(problems: readonly RuleProblem[], context: z.RefinementCtx): void {
  for (const { key, message } of problems)
    context.addIssue({ code: "custom", message, path: key === "" ? [] : [key] });
}

function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || text.endsWith("/")) return false;
  const { protocol, username, href } = new URL(text);
  // Tokens are compared with it letter by letter: as a URL is written in full, so capitals in a host name never match.
  const isInFull = href === text || href === `${text}/`;
  return protocol === "https:" && username === "" && isInFull && !/[?#]/.test(text);
}
