import { expect, test } from "bun:test";

import { assertMayAsk } from "../../src/core/permissions.ts";
import { type ClaimRule, type Issuer, matchRules } from "../../src/core/rules.ts";
import { readRules } from "../../src/rules/read.ts";
import { codeBlocks } from "../contract/shell.ts";
import { claimsOf, type GithubJob, JOB } from "../support/github-claims.ts";
import { readText } from "./workflow.ts";

const SHOP: GithubJob = { ...JOB, repositoryId: "123456789", ownerId: "987654" };
const REVIEWED: GithubJob = { ...SHOP, environment: "production" };
const IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/frontend:0d8f7b0e";
const REQUEST = { kind: "deploy", parts: [{ service: "frontend", image: IMAGE }] } as const;

async function issuersOf(example: string): Promise<Issuer[]> {
  return readRules(example, await readText(`examples/${example}`), () => []);
}

async function claimRules(example: string): Promise<readonly ClaimRule[]> {
  const [issuer] = await issuersOf(example);
  if (issuer?.kind !== "oidc") throw new Error(`${example} names no issuer of GitHub's kind first`);
  return issuer.rules;
}

function mayDeploy(rules: readonly ClaimRule[], job: GithubJob): boolean {
  try {
    assertMayAsk(matchRules(rules, claimsOf(job)).may, REQUEST);
    return true;
  } catch {
    return false;
  }
}

test("the rules of the page about them are right", async () => {
  const [text = ""] = await codeBlocks("docs/rules.md", "The rules file", "yaml");
  const issuers = readRules("rules.md", text, (path) => [{ fingerprint: path }]);
  expect(issuers.map(({ name }) => name)).toEqual(["github", "on-call"]);
});

test("the rules of the OIDC example let its workflow deploy, and no other branch, event or repository", async () => {
  const rules = await claimRules("rules-oidc.yml");
  expect(mayDeploy(rules, SHOP)).toBe(true);
  expect(mayDeploy(rules, { ...SHOP, event: "workflow_dispatch" })).toBe(true);
  expect(mayDeploy(rules, { ...SHOP, ref: "refs/heads/topic" })).toBe(false);
  expect(mayDeploy(rules, { ...SHOP, event: "pull_request" })).toBe(false);
  expect(mayDeploy(rules, { ...SHOP, repositoryId: "1" })).toBe(false);
  expect(mayDeploy(rules, { ...SHOP, ownerId: "1" })).toBe(false);
});

test("the rules of the reviewed example want the environment and the workflow of main, both", async () => {
  const rules = await claimRules("rules-reviewed.yml");
  expect(mayDeploy(rules, REVIEWED)).toBe(true);
  expect(mayDeploy(rules, SHOP)).toBe(false);
  expect(mayDeploy(rules, { ...REVIEWED, environment: "staging" })).toBe(false);
  expect(mayDeploy(rules, { ...REVIEWED, ref: "refs/heads/topic" })).toBe(false);
  expect(mayDeploy(rules, { ...REVIEWED, workflow: ".github/workflows/other.yml" })).toBe(false);
});

test("the rules of the key example give each key what it is for", async () => {
  const [shop, onCall] = await issuersOf("rules-key.yml");
  const shopMay = shop?.rules.map(({ grant }) => grant) ?? [];
  const onCallMay = onCall?.rules.map(({ grant }) => grant) ?? [];
  expect(() => assertMayAsk(shopMay, REQUEST)).not.toThrow();
  expect(() => assertMayAsk(onCallMay, REQUEST)).toThrow(/deploy "frontend"/);
  const back = { kind: "rollback", parts: [{ service: "frontend", image: undefined }] } as const;
  expect(() => assertMayAsk(onCallMay, back)).not.toThrow();
});

test.each(["oidc", "reviewed"])(
  "the workflow of the %s example sends where its rules expect it, and deploys what they allow",
  async (name) => {
    const workflow = await readText(`examples/deploy-${name}.yml`);
    const [issuer] = await issuersOf(`rules-${name}.yml`);
    const url = /^ +url: (.+)$/m.exec(workflow)?.[1];
    const service = /^ +service: (.+)$/m.exec(workflow)?.[1];
    const image = /^ +IMAGE: (.+):\$\{\{ github.sha \}\}$/m.exec(workflow)?.[1];
    expect(issuer).toMatchObject({ kind: "oidc", audience: url, isBound: true });
    const [grant] = issuer?.rules.map(({ grant }) => grant) ?? [];
    expect(grant).toMatchObject({ deploy: new Set([service]), images: new Set([image]), logs: true });
  },
);

test("the environment of the reviewed example is the one that its rule wants", async () => {
  const workflow = await readText("examples/deploy-reviewed.yml");
  const environment = /^ +environment: (.+)$/m.exec(workflow)?.[1] ?? "";
  expect(mayDeploy(await claimRules("rules-reviewed.yml"), { ...REVIEWED, environment })).toBe(true);
});
