import type { z } from "zod";

import type { Grant, Scope } from "../core/caller.ts";
import { parseImage, repositoryOf } from "../core/image.ts";
import type { ClaimRule, Condition, Issuer } from "../core/rules.ts";
import { DEFAULT_EVENTS } from "./occurrence.ts";
import type { GithubRule, KeyIssuerEntry, KeyRule, OidcIssuerEntry } from "./schema.ts";

type OidcEntry = z.infer<typeof OidcIssuerEntry>;
type KeyEntry = z.infer<typeof KeyIssuerEntry>;

/** An entry of the file as the core knows it. @param where the place of a rule, for people */
export function issuerFrom(entry: OidcEntry | KeyEntry, where: (rule: number) => string): Issuer {
  return "public_key" in entry ? keyIssuer(entry, where) : oidcIssuer(entry, where);
}

function keyIssuer({ name, public_key, rules: entries }: KeyEntry, where: (rule: number) => string): Issuer {
  const rules = entries.map((rule, index) => ({ grant: grantOf(rule), at: where(index) }));
  return { kind: "key", name, publicKey: public_key, rules };
}

function oidcIssuer(
  { name, issuer, audience, bind = "required", rules }: OidcEntry,
  where: (rule: number) => string,
): Issuer {
  const isBound = bind === "required";
  return {
    kind: "oidc",
    name,
    url: issuer,
    audience,
    isBound,
    rules: rules.map((rule, index) => claimRule(rule, where(index))),
  };
}

function claimRule(rule: GithubRule, at: string): ClaimRule {
  const refs = rule.ref === undefined ? undefined : listOf(rule.ref);
  const conditions: [claim: string, oneOf: string | readonly string[] | undefined][] = [
    ["repository_id", rule.repository_id],
    ["repository_owner_id", rule.repository_owner_id],
    ["ref", refs],
    ["ref_type", refs?.map((ref) => (ref.startsWith("refs/tags/") ? "tag" : "branch"))],
    ["ref_protected", rule.ref_protected],
    ["event_name", rule.event_name ?? DEFAULT_EVENTS],
    ["environment", rule.environment],
    ["workflow_ref", rule.workflow_ref],
    ["workflow_sha", rule.workflow_sha],
    ["job_workflow_ref", rule.job_workflow_ref],
    ["job_workflow_sha", rule.job_workflow_sha],
    ["runner_environment", rule.runner_environment ?? "github-hosted"],
  ];
  return {
    at,
    repository: rule.repository,
    grant: grantOf(rule),
    conditions: conditions.flatMap(([claim, oneOf]): Condition[] =>
      oneOf === undefined ? [] : [{ claim, oneOf: listOf(oneOf) }],
    ),
  };
}

function grantOf({ deploy, rollback, read, images, logs = false }: z.infer<typeof KeyRule>): Grant {
  return {
    deploy: scopeOf(deploy),
    rollback: scopeOf(rollback),
    read: scopeOf(read),
    images: images === undefined ? "all" : new Set(images.map(repositoryNamed)),
    logs,
  };
}

function scopeOf(names: "all" | readonly string[] = []): Scope {
  return names === "all" ? "all" : new Set(names);
}

function repositoryNamed(text: string): string {
  const image = parseImage(text);
  return image === undefined ? text : repositoryOf(image);
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
