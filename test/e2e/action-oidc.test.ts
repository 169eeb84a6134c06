import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { JOB } from "../support/github-claims.ts";
import { runStep, type StepResult } from "../support/github-runner.ts";
import { expectVersion } from "../support/observe.ts";
import { type OidcIssuer, startOidcIssuer, type TokenOptions } from "../support/oidc-issuer.ts";
import { type Scene, startScene } from "../support/scene.ts";

const AUDIENCE = "https://deploy.example.com";
/** Sees what containers print. */
const LOOKING: TokenOptions = { job: { ref: "refs/heads/looking" } };
const STEP_DEADLINE = 60_000;

const cleanup = new AsyncDisposableStack();
let issuer: OidcIssuer;
let scene: Scene;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "dstest-rules-"));
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  issuer = cleanup.use(await startOidcIssuer());
  const rules = join(folder, "rules.yml");
  writeFileSync(rules, rulesFile(issuer.url));
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        await aws.publish("web", "exits", { exitCode: 3 });
        const services = ["good", "bad", "seen", "other"].map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
      daemon: { env: { RULES_FILE: rules, NODE_EXTRA_CA_CERTS: issuer.caFile } },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

test.concurrent(
  "a repository deploys without any secret, also when GitHub's service stumbles, and its token is in no log",
  async () => {
    issuer.failRunners("unavailable", 1);
    const { exitCode, outputs, raw, summary } = await deploy("good", "v2");
    expect([exitCode, outputs["status"]]).toEqual([0, "succeeded"]);
    expect(raw + summary).not.toMatch(/eyJ|Bearer/);
    await expectVersion(scene.project, "good", "v2");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "what a container printed is shown to whom the rule lets see it, and withheld from others",
  async () => {
    const [blind, seeing] = await Promise.all([deploy("bad", "exits"), deploy("seen", "exits", LOOKING)]);
    expect([blind.exitCode, seeing.exitCode]).toEqual([3, 3]);
    expect(seeing.log.text).toContain("  | version exits gives up");
    expect(seeing.summary).toContain("version exits gives up");
    expect(blind.raw + blind.summary).not.toContain("gives up");
    expect(blind.log.text).toContainEqual(expect.stringContaining("no rule of this caller has logs: true"));
    expect(blind.summary).toContain("exited with code 3");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "what the rule does not allow is refused, and nothing is begun",
  async () => {
    const forbidden: [string, TokenOptions][] = [
      ["other", {}],
      ["good", { job: { ref: "refs/heads/topic" } }],
      ["good", { job: { repositoryId: "1" } }],
    ];
    for (const [service, token] of forbidden)
      expectRefusal(service, await deploy(service, "v1", token), "its rules do not allow this");
    const elsewhere = await deploy("good", "v1", {}, { audience: "https://other.example.com" });
    expectRefusal("good", elsewhere, "does not accept the token");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a job that may have no token is told what to give it",
  async () => {
    const { exitCode, log } = await runStep({
      inputs: { url: scene.daemon.url, service: "good", audience: AUDIENCE },
    });
    expect(exitCode).toBe(6);
    expect(log.commands.at(-1)).toMatchObject({
      properties: { title: "good: no token" },
      data: expect.stringContaining("id-token: write"),
    });
  },
  STEP_DEADLINE,
);

function expectRefusal(service: string, { exitCode, outputs, log }: StepResult, words: string): void {
  expect([exitCode, outputs]).toEqual([6, {}]);
  expect(log.commands.at(-1)).toEqual({
    name: "error",
    properties: { title: `${service}: not authorized` },
    data: expect.stringContaining(words),
  });
}

function deploy(
  service: string,
  tag: string,
  token: TokenOptions = {},
  inputs: Record<string, string> = {},
): Promise<StepResult> {
  return runStep({
    inputs: {
      url: scene.daemon.url,
      service,
      image: `${scene.aws.repository("web")}:${tag}`,
      audience: AUDIENCE,
      ...inputs,
    },
    env: { ...issuer.runner(token), NODE_EXTRA_CA_CERTS: issuer.caFile },
  });
}

function rulesFile(url: string): string {
  const repository = `repository_id: "${JOB.repositoryId}"
        repository_owner_id: "${JOB.ownerId}"`;
  return `issuers:
  - name: github
    issuer: ${url}
    audience: ${AUDIENCE}
    rules:
      - ${repository}
        ref: refs/heads/main
        deploy: [good, bad]
      - ${repository}
        ref: refs/heads/looking
        deploy: [seen]
        logs: true
`;
}
